"""Events as bytes between processes: what Redis stores of a publication, and what pub/sub carries.

    body      what the log holds: msgpack, encrypted where the project asked for it
    message   kind ":" epoch ":" body, the kind with the offset: "p12:aEpoch:…", "j::…", "l::…"

The head is plain text because Lua writes it, when it has taken the offset; it never looks into bodies.
"""

from typing import Any, Protocol

from msgspec import Raw

from realtime.layers.base import Event
from realtime.messages import EMPTY, ClientInfo, Joined, Left, Publication

JOINED, LEFT, UNPLACED = b"j::", b"l::", b"p0::"


class Serializer(Protocol):
    """As channels-redis has it."""

    def serialize(self, message: Any) -> bytes: ...
    def deserialize(self, message: bytes) -> Any: ...


class Envelope:
    def __init__(self, serializer: Serializer) -> None:
        self._serializer = serializer

    def encode_publication(self, publication: Publication) -> bytes:
        """The body. It has no offset: that is where it stands in the log."""
        info = None if publication.info is None else _as_list(publication.info)
        return self._serializer.serialize([bytes(publication.data), publication.time, info, publication.tags])

    def decode_publication(self, body: bytes, offset: int) -> Publication:
        """Raises what the serializer raises for bytes of another make."""
        data, time, info, tags = self._serializer.deserialize(body)
        return Publication(
            data=Raw(data),
            time=time,
            info=None if info is None else _from_list(info),
            tags=tags,
            offset=offset,
        )

    def encode_event(self, event: Joined | Left) -> bytes:
        """The whole message."""
        head = JOINED if isinstance(event, Joined) else LEFT
        return head + self.encode_info(event.info)

    def encode_info(self, info: ClientInfo) -> bytes:
        return self._serializer.serialize(_as_list(info))

    def decode_info(self, body: bytes) -> ClientInfo:
        return _from_list(self._serializer.deserialize(body))

    def decode(self, message: bytes) -> tuple[Event, str]:
        """The event, and the epoch of its log. Raises ValueError for a message of another make."""
        head, epoch, body = message.split(b":", 2)
        match head[:1]:
            case b"p":
                return self.decode_publication(body, int(head[1:])), epoch.decode()
            case b"j":
                return Joined(self.decode_info(body)), ""
            case b"l":
                return Left(self.decode_info(body)), ""
            case _:
                raise ValueError(f"a message that begins with {head[:8]!r}")


def _as_list(info: ClientInfo) -> list[Any]:
    return [info.user, info.client, bytes(info.conn_info), bytes(info.chan_info)]


def _from_list(parts: list[Any]) -> ClientInfo:
    user, client, conn_info, chan_info = parts
    return ClientInfo(user=user, client=client, conn_info=_raw(conn_info), chan_info=_raw(chan_info))


def _raw(data: bytes) -> Raw:
    # The codecs know what is absent by this very object.
    return Raw(data) if data else EMPTY
