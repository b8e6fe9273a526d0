"""The options and rules shared by all topics with one prefix, and what makes them contradict.

Names and meaning of the options follow Centrifugo's channel options, so its documentation applies.
Durations are seconds. Everything a client may do is denied until an option or a hook allows it.
"""

import difflib
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, NamedTuple, TypeAlias

from realtime.caller import Caller
from realtime.errors import ConfigurationError
from realtime.topics.name import TopicName

# Hooks may be async, or plain functions: those run in the bounded thread pool and may use the ORM.
Rule: TypeAlias = Callable[[Caller, TopicName], bool | Awaitable[bool]]
# What is returned replaces the data; None leaves it. CommandError refuses the publication.
PublishHook: TypeAlias = Callable[[Caller, TopicName, bytes], bytes | None | Awaitable[bytes | None]]
SubscriptionHook: TypeAlias = Callable[[Caller, TopicName], None | Awaitable[None]]

RECOVERY_MODES = ("stream", "cache")
SLOW_CONSUMER_POLICIES = ("disconnect", "conflate")
DELTA_TYPES = ("fossil",)
# What a token may decide otherwise for one client. Never who may do what.
OVERRIDABLE = (
    "presence",
    "join_leave",
    "force_push_join_leave",
    "force_recovery",
    "force_positioning",
)
RULES = ("can_subscribe", "can_publish", "can_see_presence", "can_read_history")
HOOKS = (*RULES, "on_publish", "on_subscribe", "on_unsubscribe")


class Grants(NamedTuple):
    """Whom the options let do one thing, where no hook decides."""

    client: bool
    subscriber: bool
    anonymous: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """Options of the topics `name:…`; the name "" is for topics without a colon.

    Raises ConfigurationError for a value that is out of range or contradicts another.
    """

    name: str

    # The log: how many publications it keeps, and how long after the last one.
    history_size: int = 0
    history_ttl: float = 0
    # How long an idle topic keeps its position, so that whoever comes back learns what it missed.
    history_meta_ttl: float = 86_400
    # Recovery for every subscriber, asked for or not: of the whole gap, or of the newest only.
    force_recovery: bool = False
    force_recovery_mode: Literal["stream", "cache"] = "stream"
    force_positioning: bool = False

    presence: bool = False
    join_leave: bool = False
    force_push_join_leave: bool = False

    allow_subscribe_for_client: bool = False
    allow_subscribe_for_anonymous: bool = False
    allow_publish_for_client: bool = False
    allow_publish_for_subscriber: bool = False
    allow_publish_for_anonymous: bool = False
    allow_presence_for_client: bool = False
    allow_presence_for_subscriber: bool = False
    allow_presence_for_anonymous: bool = False
    allow_history_for_client: bool = False
    allow_history_for_subscriber: bool = False
    allow_history_for_anonymous: bool = False
    # Topics that name their users ("dialog#42,43") open for those users.
    allow_user_limited_channels: bool = False
    # What the part after the colon must match; "" for anything.
    channel_regex: str = ""

    # Accepted, so that a configuration carries over, and reported by `check`: deltas and tag
    # filters are not offered yet. Clients are served full, unfiltered publications or error 108.
    allowed_delta_types: tuple[str, ...] = ()
    delta_publish: bool = False
    allow_tags_filter: bool = False

    # What happens to a subscriber that reads more slowly than the topic publishes.
    slow_consumer: Literal["disconnect", "conflate"] = "disconnect"

    # Each decides alone where it is given, whatever the options above say.
    can_subscribe: Rule | None = None
    can_publish: Rule | None = None
    can_see_presence: Rule | None = None
    can_read_history: Rule | None = None
    on_publish: PublishHook | None = None
    on_subscribe: SubscriptionHook | None = None
    on_unsubscribe: SubscriptionHook | None = None

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ConfigurationError(f"Namespace {self.name!r}: {problem}")
        object.__setattr__(self, "allowed_delta_types", tuple(self.allowed_delta_types))

    @classmethod
    def from_options(cls, name: str, options: Mapping[str, Any]) -> "Namespace":
        """Builds a namespace from the settings' dict. Raises ConfigurationError, also for unknown names."""
        known = [field.name for field in fields(cls) if field.name != "name"]
        for option in options:
            if option not in known:
                close = difflib.get_close_matches(str(option), known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}."
                raise ConfigurationError(f"Namespace {name!r}: unknown option {option!r}; {hint}")
        return cls(name=name, **options)

    def with_overrides(self, overrides: Mapping[str, bool]) -> "Namespace":
        """Raises ConfigurationError for an option that no token may override, and for contradictions."""
        for option in overrides:
            if option not in OVERRIDABLE:
                raise ConfigurationError(f"override of {option!r}, expected one of {', '.join(OVERRIDABLE)}.")
        changes: dict[str, Any] = dict(overrides)
        return replace(self, **changes)

    @property
    def keeps_history(self) -> bool:
        return self.history_size > 0

    @property
    def publish_grants(self) -> Grants:
        return Grants(
            self.allow_publish_for_client, self.allow_publish_for_subscriber, self.allow_publish_for_anonymous
        )

    @property
    def presence_grants(self) -> Grants:
        return Grants(
            self.allow_presence_for_client,
            self.allow_presence_for_subscriber,
            self.allow_presence_for_anonymous,
        )

    @property
    def history_grants(self) -> Grants:
        return Grants(
            self.allow_history_for_client, self.allow_history_for_subscriber, self.allow_history_for_anonymous
        )

    def matches(self, topic: TopicName) -> bool:
        """Whether `topic`'s key is one that `channel_regex` lets exist."""
        return not self.channel_regex or re.search(self.channel_regex, topic.key) is not None

    def _problems(self) -> "list[str]":
        return self._wrong_types() or self._wrong_values() or self._contradictions()

    def _wrong_types(self) -> "list[str]":
        problems = []
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(field.default, bool) and not isinstance(value, bool):
                problems.append(f"{field.name} is {value!r}, expected True or False.")
            elif field.name in HOOKS and value is not None and not callable(value):
                problems.append(f"{field.name} is {value!r}, expected a function (or None).")
        for option in ("history_size", "history_ttl", "history_meta_ttl"):
            value = getattr(self, option)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value) or value < 0:
                unit = "publications" if option == "history_size" else "seconds"
                problems.append(f"{option} is {value!r}, expected a number of {unit}, 0 or more.")
        # They are declared as what they must be, and yet the settings' dict may hold anything.
        size: Any = self.history_size
        if not isinstance(size, int):
            problems.append(f"history_size is {size!r}, expected a whole number.")
        regex: Any = self.channel_regex
        if not isinstance(regex, str):
            problems.append(f"channel_regex is {regex!r}, expected a text.")
        deltas: Any = self.allowed_delta_types
        if not isinstance(deltas, list | tuple | set | frozenset):
            problems.append(f"allowed_delta_types is {deltas!r}, expected a list of texts.")
        return problems

    def _wrong_values(self) -> "list[str]":
        problems = []
        if self.name and (not re.fullmatch(r"[A-Za-z0-9_.-]+", self.name)):
            problems.append("expected a name of letters, digits and _ . -")
        if self.force_recovery_mode not in RECOVERY_MODES:
            problems.append(f"force_recovery_mode is {self.force_recovery_mode!r}, {_one_of(RECOVERY_MODES)}")
        if self.slow_consumer not in SLOW_CONSUMER_POLICIES:
            problems.append(f"slow_consumer is {self.slow_consumer!r}, {_one_of(SLOW_CONSUMER_POLICIES)}")
        problems += [
            f"allowed_delta_types has {delta!r}, {_one_of(DELTA_TYPES)}"
            for delta in self.allowed_delta_types
            if delta not in DELTA_TYPES
        ]
        try:
            re.compile(self.channel_regex)
        except re.error as error:
            problems.append(f"channel_regex is {self.channel_regex!r}, which does not compile: {error}.")
        return problems

    def _contradictions(self) -> "list[str]":
        problems = []
        if bool(self.history_size) != bool(self.history_ttl):
            problems.append(
                f"history_size is {self.history_size} and history_ttl is {self.history_ttl}; "
                "set both to keep a log, or neither."
            )
        if self.history_meta_ttl < self.history_ttl:
            problems.append(
                f"history_meta_ttl is {self.history_meta_ttl}, less than history_ttl ({self.history_ttl}): "
                "a log needs its position; make history_meta_ttl larger."
            )
        problems += [
            f"{option} needs a log; set history_size and history_ttl."
            for option in ("force_recovery", "force_positioning")
            if getattr(self, option) and not self.keeps_history
        ]
        if self.slow_consumer == "conflate" and (self.force_recovery or self.force_positioning):
            problems.append(
                "slow_consumer 'conflate' leaves publications out, which force_recovery and "
                "force_positioning promise not to; choose one."
            )
        if self.force_push_join_leave and not self.join_leave:
            problems.append("force_push_join_leave needs join_leave; set it to True.")
        return problems


def _one_of(values: tuple[str, ...]) -> str:
    return f"expected {' or '.join(map(repr, values))}."
