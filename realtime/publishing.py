"""The one way in for a publication, whoever made it: a client, a view, a command, another service."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec import Raw

from realtime.errors import CommandError, ErrorCode
from realtime.layers.base import HistoryPolicy, Published, TopicLayer
from realtime.messages import ClientInfo, Publication
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace
from realtime.topics.registry import NamespaceRegistry


@dataclass(frozen=True, slots=True)
class Prepared:
    """A publication that is fit for its topic, and what the topic's log keeps."""

    topic: str
    publication: Publication
    history: HistoryPolicy | None


class Publisher:
    """Checks size and name, asks the namespace what to keep, and hands over to the layer.

    It asks for nobody's permission: that is the business of whoever calls it.
    """

    def __init__(
        self,
        *,
        layer: TopicLayer,
        namespaces: NamespaceRegistry,
        clock_ms: Callable[[], int],
        max_bytes: int,
    ) -> None:
        self._layer = layer
        self._namespaces = namespaces
        self._clock_ms = clock_ms
        self._max_bytes = max_bytes

    async def publish(
        self,
        topic: str | TopicName,
        data: bytes,
        *,
        info: ClientInfo | None = None,
        tags: Mapping[str, str] | None = None,
        idempotency_key: str = "",
        idempotency_ttl_seconds: float = 300,
        skips_history: bool = False,
    ) -> Published:
        """Appends to the topic's log, where it has one, and broadcasts, as one step.

        `skips_history`: only broadcasts, and has no position; who was not there never gets it.

        `data` is any bytes; clients that speak JSON get what is no JSON text as a base64 string.
        Raises what prepare() raises, and LayerUnavailable.
        """
        prepared = self.prepare(topic, data, info=info, tags=tags)
        return await self._layer.publish(
            prepared.topic,
            prepared.publication,
            history=None if skips_history else prepared.history,
            idempotency_key=idempotency_key,
            idempotency_ttl_seconds=idempotency_ttl_seconds,
        )

    def prepare(
        self,
        topic: str | TopicName,
        data: bytes,
        *,
        info: ClientInfo | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Prepared:
        """What a layer's publish() takes. Touches nothing, and may be called in any thread.

        Raises CommandError 102 (no such namespace), 106 (too large), 107 (empty, bad name).
        """
        name = topic if isinstance(topic, TopicName) else TopicName.parse(topic)
        namespace = self._namespaces.get_for(name)
        if not data:
            raise CommandError(ErrorCode.BAD_REQUEST, f"publication in {name} without data")
        if len(data) > self._max_bytes:
            raise CommandError(
                ErrorCode.LIMIT_EXCEEDED,
                f"publication of {len(data)} bytes in {name}, expected at most {self._max_bytes}",
            )
        publication = Publication(
            data=Raw(data), info=info, tags=dict(tags) if tags else None, time=self._clock_ms()
        )
        return Prepared(name.text, publication, history_policy(namespace))


def history_policy(namespace: Namespace) -> HistoryPolicy | None:
    """What the layer is to keep of the namespace's topics; None: no log."""
    if not namespace.keeps_history:
        return None
    return HistoryPolicy(
        size=namespace.history_size,
        ttl_seconds=namespace.history_ttl,
        meta_ttl_seconds=namespace.history_meta_ttl,
    )
