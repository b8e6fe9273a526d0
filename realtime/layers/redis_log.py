"""How a topic's log is kept in Redis: its keys, and the scripts' arguments and answers. No connections.

All keys of a topic share a hash tag, and so a slot in Redis Cluster.
"""

import logging
import secrets
from collections.abc import Sequence
from typing import Any

from realtime.layers.base import History, HistoryPolicy, Published
from realtime.layers.envelope import Envelope
from realtime.messages import Position, Publication
from realtime.redis.link import Argument
from realtime.redis.script import Script

logger = logging.getLogger(__name__)

PUBLISH = Script.load("log.lua", "publish.lua")
HISTORY = Script.load("log.lua", "history.lua")

Call = tuple[Sequence[str], Sequence[Argument]]


class RedisLog:
    """Each call_… gives the keys and arguments of its script, each read_… reads the answer."""

    def __init__(self, *, prefix: str, envelope: Envelope) -> None:
        self._prefix = prefix
        self._envelope = envelope

    def key(self, topic: str, kind: str) -> str:
        """`kind` must have no "}": so the last one ends the topic, and no two topics share a key."""
        # Never an empty tag, whatever the topic's name: Redis would hash the whole key then.
        return f"{self._prefix}:{{t:{topic}}}:{kind}"

    def channel(self, topic: str) -> str:
        """Of pub/sub."""
        return f"{self._prefix}__topic__{topic}"

    def call_publish(
        self,
        topic: str,
        publication: Publication,
        *,
        history: HistoryPolicy | None,
        idempotency_key: str,
        idempotency_ttl_seconds: float,
    ) -> Call:
        keys = [self.key(topic, "meta"), self.key(topic, "log")]
        if idempotency_key:
            keys.append(self.key(topic, f"key:{_escape(idempotency_key)}"))
        size, ttl, meta_ttl = (
            (0, 0, 0)
            if history is None
            else (history.size, _milliseconds(history.ttl_seconds), _milliseconds(history.meta_ttl_seconds))
        )
        return keys, (
            self._envelope.encode_publication(publication),
            self.channel(topic),
            size,
            ttl,
            meta_ttl,
            _fresh_epoch(),
            _milliseconds(idempotency_ttl_seconds),
        )

    def read_published(self, answer: Any) -> Published:
        offset, epoch, is_repeat = answer
        return Published(Position(offset=offset, epoch=epoch.decode()), is_repeat=is_repeat == 1)

    def call_history(
        self, topic: str, *, policy: HistoryPolicy, since: Position | None, limit: int | None, reverse: bool
    ) -> Call:
        return (self.key(topic, "meta"), self.key(topic, "log")), (
            "" if since is None else since.offset,
            "" if limit is None else limit,
            int(reverse),
            _milliseconds(policy.meta_ttl_seconds),
            _fresh_epoch(),
        )

    def read_history(self, topic: str, answer: Any, *, reverse: bool) -> History:
        """An entry that cannot be read (its encryption key was retired, or somebody else wrote it) counts
        as trimmed, with those before it: a gap inside would pass for complete.
        """
        top, epoch, first, bodies = answer
        publications: list[Publication] = []
        for offset in range(first + len(bodies) - 1, first - 1, -1):
            try:
                publications.append(self._envelope.decode_publication(bodies[offset - first], offset))
            except Exception:  # The serializer's own, which the project may have chosen.
                logger.exception(
                    "entries of a log cannot be read", extra={"topic": topic, "up_to_offset": offset}
                )
                break
        if not reverse:
            publications.reverse()
        return History(publications, Position(offset=top, epoch=epoch.decode()))


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("}", "%7D")


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _fresh_epoch() -> str:
    return secrets.token_urlsafe(6)
