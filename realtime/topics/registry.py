"""The process' table of namespaces: features put theirs in at start, the settings' come on top."""

from collections.abc import Iterator

from realtime.errors import CommandError, ConfigurationError, ErrorCode
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace


class NamespaceRegistry:
    """Name → Namespace. A name is taken once; the settings may not redefine a feature's namespace."""

    def __init__(self) -> None:
        self._namespaces: dict[str, Namespace] = {}

    def register(self, namespace: Namespace) -> Namespace:
        """Raises ConfigurationError where the name is taken."""
        if namespace.name in self._namespaces:
            raise ConfigurationError(
                f"Namespace {namespace.name!r} is registered twice; give one of the two another name."
            )
        self._namespaces[namespace.name] = namespace
        return namespace

    def get_for(self, topic: TopicName) -> Namespace:
        """Raises CommandError 102 where there is no such namespace, 107 where its regex forbids the topic."""
        namespace = self._namespaces.get(topic.namespace)
        if namespace is None:
            raise CommandError(ErrorCode.UNKNOWN_TOPIC, f"no namespace {topic.namespace!r} for {topic}")
        if not namespace.matches(topic):
            raise CommandError(
                ErrorCode.BAD_REQUEST, f"{topic} does not match channel_regex {namespace.channel_regex!r}"
            )
        return namespace

    def copy(self) -> "NamespaceRegistry":
        other = NamespaceRegistry()
        other._namespaces = dict(self._namespaces)
        return other

    def __iter__(self) -> Iterator[Namespace]:
        return iter(self._namespaces.values())


# Where AppConfig.ready() of a feature registers. A runtime works on a copy, with the settings' added.
namespaces = NamespaceRegistry()
