"""What all sessions of one process share. It only holds things together; the runtime builds it."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from realtime.hooks import Hooks
from realtime.hub import Hub
from realtime.layers.base import TopicLayer
from realtime.limits import Limits
from realtime.logins import Logins, NoLogins
from realtime.permissions import Permissions
from realtime.presence.base import Presence
from realtime.publishing import Publisher
from realtime.rate_limits.throttle import Throttle
from realtime.rechecks import Rechecks
from realtime.rpc import MethodRegistry
from realtime.sessions import Sessions
from realtime.tokens import TokenVerifier
from realtime.topics.registry import NamespaceRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """`clock` gives Unix seconds (tokens), `monotonic` seconds that never jump (timers), `new_id` a
    unique text, `rng` spreads timers.
    """

    version: str
    limits: Limits
    namespaces: NamespaceRegistry
    layer: TopicLayer
    hub: Hub
    publisher: Publisher
    presence: Presence
    tokens: TokenVerifier
    methods: MethodRegistry
    hooks: Hooks
    permissions: Permissions
    rechecks: Rechecks
    sessions: Sessions
    throttle: Throttle
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    new_id: Callable[[], str]
    rng: random.Random
    # Whether a client without a token may connect, as the anonymous user "".
    allows_anonymous: bool = False
    subscribes_to_personal_topic: bool = False
    logins: Logins = field(default_factory=NoLogins)
