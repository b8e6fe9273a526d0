"""Every kind of message, by hand and at random, for tests that hold for each of them."""

from typing import Any

from hypothesis import strategies as st
from msgspec import Raw

from realtime import messages as m

TEXTS = st.text(max_size=20)
JSON_PAYLOADS = st.sampled_from([b"1", b'"text"', b'{"a": [1, null]}', b"[]", b'{"\xc3\xbc":"\\u00fc"}'])
PAYLOADS = st.one_of(JSON_PAYLOADS, st.binary(min_size=1, max_size=20))


def payloads_of(values: st.SearchStrategy[bytes]) -> st.SearchStrategy[Raw]:
    """With none at all among them, which is the one empty payload."""
    return st.just(m.EMPTY) | values.map(Raw)


def structs(payloads: st.SearchStrategy[Raw]) -> dict[str, st.SearchStrategy[Any]]:
    """What the fields of replies and pushes are made from."""
    # JSON has no larger integers that every client can read.
    numbers = st.integers(0, 2**53)
    small = st.integers(0, 2**31 - 1)
    infos = st.builds(m.ClientInfo, user=TEXTS, client=TEXTS, conn_info=payloads, chan_info=payloads)
    publications = st.builds(
        m.Publication,
        data=payloads,
        info=st.none() | infos,
        offset=numbers,
        # Protobuf knows no difference between no map and an empty one.
        tags=st.none() | st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=3),
        time=numbers,
    )
    subscribes = st.builds(
        m.SubscribeResult,
        expires=st.booleans(),
        ttl=small,
        recoverable=st.booleans(),
        epoch=TEXTS,
        publications=st.lists(publications, max_size=3),
        recovered=st.booleans(),
        offset=numbers,
        positioned=st.booleans(),
        data=payloads,
        was_recovering=st.booleans(),
        delta=st.booleans(),
        id=small,
    )
    connects = st.builds(
        m.ConnectResult,
        client=TEXTS,
        version=TEXTS,
        expires=st.booleans(),
        ttl=small,
        data=payloads,
        subs=st.dictionaries(TEXTS, subscribes, max_size=2),
        ping=small,
        pong=st.booleans(),
        session=TEXTS,
        node=TEXTS,
        time=numbers,
    )
    return {
        "error": st.builds(m.Error, code=small, message=TEXTS, temporary=st.booleans()),
        "infos": infos,
        "publications": publications,
        "subscribe": subscribes,
        "connect": connects,
    }


def pushes(payloads: st.SearchStrategy[Raw]) -> st.SearchStrategy[m.Push]:
    parts = structs(payloads)
    small = st.integers(0, 2**31 - 1)
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "pub": parts["publications"],
        "join": st.builds(m.Joined, info=parts["infos"]),
        "leave": st.builds(m.Left, info=parts["infos"]),
        "unsubscribe": st.builds(m.Unsubscribed, code=small, reason=TEXTS),
        "message": st.builds(m.ServerMessage, data=payloads),
        "subscribe": st.builds(
            m.Subscribed,
            recoverable=st.booleans(),
            epoch=TEXTS,
            offset=small,
            positioned=st.booleans(),
            data=payloads,
        ),
        "connect": st.builds(
            m.Connected,
            client=TEXTS,
            version=TEXTS,
            data=payloads,
            subs=st.dictionaries(TEXTS, parts["subscribe"], max_size=2),
            expires=st.booleans(),
            ttl=small,
            ping=small,
            pong=st.booleans(),
            session=TEXTS,
            node=TEXTS,
            time=small,
        ),
        "disconnect": st.builds(m.Disconnected, code=small, reason=TEXTS, reconnect=st.booleans()),
        "refresh": st.builds(m.Refreshed, expires=st.booleans(), ttl=small),
    }
    return st.one_of(
        *(st.builds(m.Push, id=small, channel=TEXTS, **{name: values}) for name, values in kinds.items())
    )


def replies(payloads: st.SearchStrategy[Raw]) -> st.SearchStrategy[m.Reply]:
    parts = structs(payloads)
    small = st.integers(0, 2**31 - 1)
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "error": parts["error"],
        "connect": parts["connect"],
        "subscribe": parts["subscribe"],
        "unsubscribe": st.builds(m.UnsubscribeResult),
        "publish": st.builds(m.PublishResult),
        "presence": st.builds(m.PresenceResult, presence=st.dictionaries(TEXTS, parts["infos"], max_size=2)),
        "presence_stats": st.builds(m.PresenceStatsResult, num_clients=small, num_users=small),
        "history": st.builds(
            m.HistoryResult,
            publications=st.lists(parts["publications"], max_size=3),
            epoch=TEXTS,
            offset=small,
        ),
        "ping": st.builds(m.PingResult),
        "rpc": st.builds(m.RpcResult, data=payloads),
        "refresh": st.builds(m.RefreshResult, client=TEXTS, version=TEXTS, expires=st.booleans(), ttl=small),
        "sub_refresh": st.builds(m.SubRefreshResult, expires=st.booleans(), ttl=small),
    }
    answers = [
        st.builds(m.Reply, id=st.integers(1, 2**31 - 1), **{name: kind}) for name, kind in kinds.items()
    ]
    return st.one_of(*answers, st.builds(m.Reply, push=pushes(payloads)), st.just(m.Reply()))


def commands(payloads: st.SearchStrategy[Raw]) -> st.SearchStrategy[m.Command]:
    small = st.integers(0, 2**31 - 1)
    positions = st.builds(m.Position, offset=small, epoch=TEXTS)
    subscribes = st.builds(
        m.SubscribeRequest,
        channel=TEXTS,
        token=TEXTS,
        recover=st.booleans(),
        epoch=TEXTS,
        offset=st.integers(0, 2**53),
        data=payloads,
        positioned=st.booleans(),
        recoverable=st.booleans(),
        join_leave=st.booleans(),
        delta=TEXTS,
        # Without the flag for topic ids, which the Protobuf codec takes out on purpose.
        flag=st.sampled_from([0, 2, 4]),
    )
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "connect": st.builds(
            m.ConnectRequest,
            token=TEXTS,
            data=payloads,
            subs=st.dictionaries(TEXTS, subscribes, max_size=2),
            name=TEXTS,
            version=TEXTS,
            headers=st.dictionaries(TEXTS, TEXTS, max_size=2),
            flag=small,
        ),
        "subscribe": subscribes,
        "unsubscribe": st.builds(m.UnsubscribeRequest, channel=TEXTS),
        "publish": st.builds(m.PublishRequest, channel=TEXTS, data=payloads),
        "presence": st.builds(m.PresenceRequest, channel=TEXTS),
        "presence_stats": st.builds(m.PresenceStatsRequest, channel=TEXTS),
        "history": st.builds(
            m.HistoryRequest,
            channel=TEXTS,
            limit=st.integers(-1, 1000),
            since=st.none() | positions,
            reverse=st.booleans(),
        ),
        "ping": st.builds(m.PingRequest),
        "send": st.builds(m.SendRequest, data=payloads),
        "rpc": st.builds(m.RpcRequest, data=payloads, method=TEXTS),
        "refresh": st.builds(m.RefreshRequest, token=TEXTS),
        "sub_refresh": st.builds(m.SubRefreshRequest, channel=TEXTS, token=TEXTS),
    }
    return st.one_of(*(st.builds(m.Command, id=small, **{name: kind}) for name, kind in kinds.items()))
