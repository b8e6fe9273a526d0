"""Which processes serve now. Each announces itself to all; this one remembers whom it has heard.

Announcements go through a topic that no client can name and that has no log: only the newest one
of a node is worth anything.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
from msgspec import MsgspecError, Raw, Struct

from realtime.errors import LayerUnavailable
from realtime.hub import Hub
from realtime.layers.base import TopicLayer
from realtime.listening import Listening
from realtime.messages import Publication

logger = logging.getLogger(__name__)

# Clients' topics have no spaces in their names.
NODES_TOPIC = " nodes"
# A node counts as gone when so many of its announcements did not come, and then some: the network
# may be slow, and a loop busy.
MISSED_ANNOUNCEMENTS = 3
GRACE_SECONDS = 1.0
# Within which a node that is asked answers: whoever asks meanwhile is answered with the same.
ANSWER_SECONDS = 0.25
# Nobody waits longer for a process that stops while the layer is away.
GOODBYE_SECONDS = 1.0


class NodeInfo(Struct, frozen=True, kw_only=True):
    """A process as it was when it last announced itself. Unlike the rest, `id` is never the same for two.

    `clients` are connected sessions, `users` those of them with a name, each counted once; `topics`
    have a subscriber there, `subscriptions` are those of its clients. Times are Unix seconds.
    """

    id: str
    name: str
    version: str = ""
    started_at: float = 0
    clients: int = 0
    users: int = 0
    topics: int = 0
    subscriptions: int = 0
    is_draining: bool = False


class NodeAnnounced(Struct, frozen=True, tag_field="node", tag="announced"):
    """`holds_seconds`: how long it is to be believed without another one."""

    info: NodeInfo
    holds_seconds: float


class NodesSought(Struct, frozen=True, tag_field="node", tag="sought"):
    """A new node asks all others to announce themselves."""

    by: str


class NodeLeft(Struct, frozen=True, tag_field="node", tag="left"):
    id: str


Word: TypeAlias = NodeAnnounced | NodesSought | NodeLeft

_decoder: msgspec.msgpack.Decoder[Word] = msgspec.msgpack.Decoder(Word)


@dataclass(frozen=True, slots=True)
class _Heard:
    info: NodeInfo
    until: float


class NodeRegistry:
    """Implements Listener (realtime/subscriber.py). `describe` gives this process as it is now.

    `monotonic` gives seconds that never jump; `rng` spreads the announcements of many nodes.
    """

    def __init__(
        self,
        *,
        layer: TopicLayer,
        hub: Hub,
        describe: Callable[[], NodeInfo],
        interval_seconds: float,
        monotonic: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._layer = layer
        self._describe = describe
        self._interval_seconds = interval_seconds
        self._monotonic = monotonic
        self._rng = rng
        self._heard: dict[str, _Heard] = {}
        self._is_asked = asyncio.Event()
        self._listening = Listening(
            hub=hub, topic=NODES_TOPIC, listener=self, history=None, then=self._announce_forever
        )

    def nodes(self) -> list[NodeInfo]:
        """Those that are alive as far as this one knows, itself included, by name."""
        here, now = self._describe(), self._monotonic()
        others = [heard.info for heard in self._heard.values() if heard.until > now]
        return sorted([here, *others], key=lambda node: (node.name, node.id))

    def start(self) -> None:
        """On the loop that serves the sessions; once."""
        self._is_asked = asyncio.Event()
        self._listening.start()

    async def stop(self) -> None:
        """Says goodbye to the others, if the layer is there. Does nothing where it was not started."""
        if not self._listening.is_started:
            return
        await self._listening.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._say(NodeLeft(self._describe().id))

    # ── Listener ──────────────────────────────────────────────────────────────────────────────

    def hear(self, publication: Publication) -> None:
        try:
            word = _decoder.decode(publication.data)
        except MsgspecError:
            # Of another version, while processes are being replaced.
            logger.debug("a node's word skipped", exc_info=True)
            return
        match word:
            case NodeAnnounced(info, holds_seconds):
                if info.id != self._describe().id:
                    self._heard[info.id] = _Heard(info, self._monotonic() + holds_seconds)
            case NodesSought(by):
                if by != self._describe().id:
                    self._is_asked.set()
            case NodeLeft(gone):
                self._heard.pop(gone, None)

    def lost(self) -> None:
        """Whoever was missed announces itself again soon."""

    # ── Announcing ────────────────────────────────────────────────────────────────────────────

    async def _announce_forever(self) -> None:
        await self._say(NodesSought(self._describe().id))
        while True:
            self._forget_the_dead()
            holds_seconds = MISSED_ANNOUNCEMENTS * self._interval_seconds + GRACE_SECONDS
            await self._say(NodeAnnounced(self._describe(), holds_seconds))
            await self._wait_for_turn()

    async def _wait_for_turn(self) -> None:
        pause = self._interval_seconds * (0.75 + 0.25 * self._rng.random())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._is_asked.wait()
        if self._is_asked.is_set():
            await asyncio.sleep(ANSWER_SECONDS * self._rng.random())
            self._is_asked.clear()

    def _forget_the_dead(self) -> None:
        now = self._monotonic()
        self._heard = {id_: heard for id_, heard in self._heard.items() if heard.until > now}

    async def _say(self, word: Word) -> None:
        try:
            await self._layer.publish(NODES_TOPIC, Publication(data=Raw(msgspec.msgpack.encode(word))))
        except LayerUnavailable:
            # The layer's own connection logs it; the next announcement says all that this one would.
            logger.debug("not announced: the layer is away")
        except Exception:  # A layer may fail in its own ways, and this must outlive them all.
            logger.exception("announcing this node failed")
