"""Takes replies apart: what a test expects to be there is there, or the test fails here."""

from realtime.messages import (
    ConnectResult,
    HistoryResult,
    Publication,
    RefreshResult,
    Reply,
    SubRefreshResult,
    SubscribeResult,
)


def error_of(reply: Reply | None) -> int:
    """The number of the error; the reply must have one."""
    assert reply is not None, "no reply came, expected an error"
    assert reply.error is not None, f"{reply}, expected an error"
    return reply.error.code


def connected(reply: Reply | None) -> ConnectResult:
    assert reply is not None, "no reply came"
    assert reply.connect is not None, f"{reply}, expected a connect result"
    return reply.connect


def subscribed(reply: Reply | None) -> SubscribeResult:
    assert reply is not None, "no reply came"
    assert reply.subscribe is not None, f"{reply}, expected a subscribe result"
    return reply.subscribe


def history(reply: Reply | None) -> HistoryResult:
    assert reply is not None, "no reply came"
    assert reply.history is not None, f"{reply}, expected a history result"
    return reply.history


def refreshed(reply: Reply | None) -> RefreshResult:
    assert reply is not None, "no reply came"
    assert reply.refresh is not None, f"{reply}, expected a refresh result"
    return reply.refresh


def sub_refreshed(reply: Reply | None) -> SubRefreshResult:
    assert reply is not None, "no reply came"
    assert reply.sub_refresh is not None, f"{reply}, expected a sub_refresh result"
    return reply.sub_refresh


def offsets(publications: list[Publication]) -> list[int]:
    return [publication.offset for publication in publications]
