"""Asks all processes what only they know: which topics have subscribers, and how many. Nothing is kept.

The question goes through a topic that no client can name; each process answers in the asker's own.
"""

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import MsgspecError, Raw, Struct

from realtime.errors import LayerUnavailable
from realtime.hub import Hub
from realtime.layers.base import TopicLayer
from realtime.listening import Listening
from realtime.messages import Publication
from realtime.nodes import NodeInfo
from realtime.topics.pattern import TopicPattern

logger = logging.getLogger(__name__)

# Clients' topics have no spaces in their names.
QUESTIONS_TOPIC = " surveys"
# Far longer than a process needs that is alive, and shorter than anybody waits for an HTTP answer.
ANSWER_SECONDS = 3.0
# Redis cuts off whom it has tens of megabytes for.
TOPICS_PER_ANSWER = 5_000


class TopicsSought(Struct, frozen=True, tag_field="survey", tag="sought"):
    id: str
    by: str
    pattern: str


class TopicsFound(Struct, frozen=True, tag_field="survey", tag="found"):
    """Of process `node`: topics, and how many clients of it are in each. `is_last`: no more will come."""

    id: str
    node: str
    topics: dict[str, int]
    is_last: bool


Word: TypeAlias = TopicsSought | TopicsFound

_decoder: msgspec.msgpack.Decoder[Word] = msgspec.msgpack.Decoder(Word)


def answers_topic(process_id: str) -> str:
    return f" answers:{process_id}"


class _Survey:
    """One question that is under way."""

    def __init__(self, awaited: Iterable[str]) -> None:
        self.counts: Counter[str] = Counter()
        self.awaited = set(awaited)
        self.is_over = asyncio.Event()

    def take(self, answer: TopicsFound) -> None:
        self.counts.update(answer.topics)
        if answer.is_last:
            self.awaited.discard(answer.node)
        if not self.awaited:
            self.is_over.set()


class Surveys:
    """Implements Listener (realtime/subscriber.py). `nodes` gives the processes that are alive, this one
    (`process_id`) among them. Where the layer is not shared there is nobody to ask or to answer.
    """

    def __init__(
        self,
        *,
        layer: TopicLayer,
        hub: Hub,
        nodes: Callable[[], Iterable[NodeInfo]],
        process_id: str,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._layer = layer
        self._hub = hub
        self._nodes = nodes
        self._process_id = process_id
        self._spawn = spawn
        self._numbers = itertools.count(1)
        self._open: dict[str, _Survey] = {}
        self.own_topics = (QUESTIONS_TOPIC, answers_topic(process_id))
        self._listening = [
            Listening(hub=hub, topic=topic, listener=self, history=None, then=_do_nothing)
            for topic in self.own_topics
        ]

    def start(self) -> None:
        """On the loop that serves the sessions; once."""
        if self._layer.is_shared:
            for listening in self._listening:
                listening.start()

    async def stop(self) -> None:
        for listening in self._listening:
            await listening.stop()

    async def topics(self, pattern: str = "") -> dict[str, int]:
        """Topic → clients in it, of all processes, as far as `pattern` (TopicPattern) matches.

        Raises CommandError 107 for a bad pattern, and LayerUnavailable where a process does not answer.
        """
        here = self._count_here(TopicPattern(pattern))
        others = {node.id: node.name for node in self._nodes() if node.id != self._process_id}
        if not (self._layer.is_shared and others):
            return here
        if not all(listening.is_listening for listening in self._listening):
            raise LayerUnavailable("the answers of other processes cannot be heard yet")
        survey = _Survey(others)
        survey.counts.update(here)
        id_ = f"{next(self._numbers)}"
        self._open[id_] = survey
        try:
            await self._say(QUESTIONS_TOPIC, TopicsSought(id_, self._process_id, pattern))
            async with asyncio.timeout(ANSWER_SECONDS):
                await survey.is_over.wait()
        except TimeoutError:
            silent = ", ".join(sorted(others[id_] for id_ in survey.awaited))
            raise LayerUnavailable(f"no answer from {silent} within {ANSWER_SECONDS:g} s") from None
        finally:
            del self._open[id_]
        return dict(survey.counts)

    # ── Listener ──────────────────────────────────────────────────────────────────────────────

    def hear(self, publication: Publication) -> None:
        try:
            word = _decoder.decode(publication.data)
        except MsgspecError:
            # Of another version, while processes are being replaced.
            logger.debug("a word of a survey skipped", exc_info=True)
            return
        match word:
            case TopicsSought(by=by):
                if by != self._process_id:
                    self._spawn(self._answer(word))
            case TopicsFound(id=id_):
                survey = self._open.get(id_)
                # None: it came too late.
                if survey is not None:
                    survey.take(word)

    def lost(self) -> None:
        """Whoever asked waits in vain, and is told."""

    # ── Answers ───────────────────────────────────────────────────────────────────────────────

    async def _answer(self, question: TopicsSought) -> None:
        found = list(self._count_here(TopicPattern(question.pattern)).items())
        for start in range(0, max(1, len(found)), TOPICS_PER_ANSWER):
            end = start + TOPICS_PER_ANSWER
            answer = TopicsFound(question.id, self._process_id, dict(found[start:end]), end >= len(found))
            try:
                await self._say(answers_topic(question.by), answer)
            except LayerUnavailable:
                # The asker waits in vain, and is told.
                logger.debug("a survey was not answered: the layer is away")
                return

    def _count_here(self, pattern: TopicPattern) -> dict[str, int]:
        counts: Mapping[str, int] = self._hub.counts()
        return {topic: count for topic, count in counts.items() if pattern.matches(topic)}

    async def _say(self, topic: str, word: Word) -> None:
        await self._layer.publish(topic, Publication(data=Raw(msgspec.msgpack.encode(word))))


async def _do_nothing() -> None:
    """There is nothing to say before somebody asks."""
