"""The native protocol: the Centrifuge client protocol over WebSocket, in JSON or Protobuf.

`JsonCodec` is here; its binary twin is in protobuf.py. What commands mean is the Session's to say.
"""

import base64
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec
from channels.consumer import AsyncConsumer
from msgspec import Raw, structs

from consumers.codec import WireCodec
from consumers.frames import TEXT, frame
from consumers.protobuf import ProtobufCodec
from consumers.pump import Pump
from realtime.codec import Batch
from realtime.errors import CloseCode, Disconnect
from realtime.messages import ClientInfo, Command, Publication, Push, Reply
from realtime.runtime import get_runtime

JSON_SUBPROTOCOL = "centrifuge-json"
PROTOBUF_SUBPROTOCOL = "centrifuge-protobuf"


class JsonCodec:
    """One JSON object per line; payloads are copied into it as they are."""

    is_text = True

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(Command)
        self._encoder = msgspec.json.Encoder()
        self._checker = msgspec.json.Decoder(Raw)

    def decode(self, message: bytes | str) -> list[Command]:
        try:
            return self._decoder.decode_lines(message)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise Disconnect(CloseCode.BAD_REQUEST, f"malformed JSON: {error}") from error

    def encode_reply(self, reply: Reply) -> bytes:
        if reply.push is not None:
            return self.encode_push(reply.push)
        if reply.history is not None:
            self._present_all(reply.history.publications)
        elif reply.subscribe is not None:
            self._present_all(reply.subscribe.publications)
        elif reply.connect is not None:
            for result in reply.connect.subs.values():
                self._present_all(result.publications)
        elif reply.presence is not None:
            members = reply.presence.presence
            members.update({client: self._present_info(info) for client, info in members.items()})
        return self._encoder.encode(reply)

    def encode_push(self, push: Push) -> bytes:
        if push.pub is not None:
            push = structs.replace(push, pub=self._present(push.pub))
        return self._encoder.encode(Reply(push=push))

    def join(self, messages: Sequence[bytes]) -> bytes:
        return b"\n".join(messages)

    def batch(self, messages: Sequence[bytes]) -> Batch:
        if len(messages) == 1:
            return Batch(messages, frame(messages[0], TEXT))
        return Batch(messages, b"".join([frame(message, TEXT) for message in messages]))
