"""Where a subscription starts: what it missed, or the honest word that it cannot be had."""

from dataclasses import dataclass
from typing import Literal

from realtime.layers.base import History, HistoryPolicy, TopicLayer
from realtime.messages import Position, Publication


@dataclass(frozen=True, slots=True)
class Start:
    """`top` is the log's newest position: live publications go on from there.

    `publications` are the missed ones, oldest first, complete or none. `is_recovered` is False also
    where nobody asked.
    """

    top: Position
    publications: list[Publication]
    is_recovered: bool = False


async def find_start(
    layer: TopicLayer,
    topic: str,
    *,
    policy: HistoryPolicy,
    since: Position | None,
    mode: Literal["stream", "cache"],
) -> Start:
    """Reads the log once. `since` None: only the position is wanted."""
    if since is None:
        history = await layer.history(topic, policy=policy, limit=0)
        return Start(history.top, [])
    if mode == "cache":
        return _from_newest(await layer.history(topic, policy=policy, limit=1, reverse=True), since)
    return _from_gap(await layer.history(topic, policy=policy, since=since), since)


def _from_gap(history: History, since: Position) -> Start:
    """Everything after `since`, or nothing: a part would hide that the rest is missing."""
    top, missed = history.top, history.publications
    is_same_log = since.epoch in ("", top.epoch)
    count = top.offset - since.offset
    is_complete = count == len(missed) if count >= 0 else False
    if is_same_log and is_complete:
        return Start(top, missed, is_recovered=True)
    return Start(top, [])


def _from_newest(history: History, since: Position) -> Start:
    """The newest publication stands for all before it, where the log still holds it."""
    top, newest = history.top, history.publications
    if not newest or newest[0].offset != top.offset:
        return Start(top, [])
    has_it_already = since.offset > 0 and since == top
    return Start(top, [] if has_it_already else newest, is_recovered=True)
