"""The native protocol in JSON: one object per line, payloads copied into it as they are. Pure."""

from collections.abc import Sequence

import msgspec
from msgspec import structs

from consumers.frames import TEXT, frame
from realtime.codec import Batch
from realtime.errors import CloseCode, Disconnect
from realtime.json_payload import json_payload
from realtime.messages import (
    ClientInfo,
    Command,
    Connected,
    ConnectResult,
    Joined,
    Left,
    Publication,
    Push,
    Reply,
    SubscribeResult,
)


class JsonCodec:
    """Implements WireCodec (consumers/codec.py).

    Payloads are opaque to the engine, and a client that speaks Protobuf may publish any bytes. What
    is not JSON on one line would break the message around it, or forge parts of it; such a payload
    goes out compacted where it is JSON, and else as a JSON string of its base64.
    """

    is_text = True

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(Command)
        self._encoder = msgspec.json.Encoder()

    def decode(self, message: bytes | str) -> list[Command]:
        try:
            return self._decoder.decode_lines(message)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise Disconnect(CloseCode.BAD_REQUEST, f"malformed JSON: {error}") from error

    def encode_reply(self, reply: Reply) -> bytes:
        if reply.push is not None:
            return self.encode_push(reply.push)
        if reply.subscribe is not None:
            self._check_subscribe(reply.subscribe)
        elif reply.history is not None:
            reply.history.publications = self._publications(reply.history.publications)
        elif reply.connect is not None:
            self._check_connect(reply.connect)
        elif reply.presence is not None:
            members = reply.presence.presence
            reply.presence.presence = {client: self._info(info) for client, info in members.items()}
        elif reply.rpc is not None:
            reply.rpc.data = json_payload(reply.rpc.data)
        return self._encoder.encode(reply)

    def encode_push(self, push: Push) -> bytes:
        if push.pub is not None:
            push.pub = self._publication(push.pub)
        elif push.join is not None:
            push.join = Joined(self._info(push.join.info))
        elif push.leave is not None:
            push.leave = Left(self._info(push.leave.info))
        elif push.message is not None:
            push.message.data = json_payload(push.message.data)
        elif push.subscribe is not None:
            push.subscribe.data = json_payload(push.subscribe.data)
        elif push.connect is not None:
            self._check_connect(push.connect)
        return self._encoder.encode(Reply(push=push))

    def join(self, messages: Sequence[bytes]) -> bytes:
        return b"\n".join(messages)

    def batch(self, messages: Sequence[bytes]) -> Batch:
        return Batch(messages, b"".join([frame(message, TEXT) for message in messages]))

    # ── Payloads ──────────────────────────────────────────────────────────────────────────────

    def _check_connect(self, result: ConnectResult | Connected) -> None:
        result.data = json_payload(result.data)
        for subscribed in result.subs.values():
            self._check_subscribe(subscribed)

    def _check_subscribe(self, result: SubscribeResult) -> None:
        result.data = json_payload(result.data)
        result.publications = self._publications(result.publications)

    def _publications(self, publications: list[Publication]) -> list[Publication]:
        return [self._publication(publication) for publication in publications]

    def _publication(self, publication: Publication) -> Publication:
        data = json_payload(publication.data)
        info = publication.info if publication.info is None else self._info(publication.info)
        if data is publication.data and info is publication.info:
            return publication
        return structs.replace(publication, data=data, info=info)

    def _info(self, info: ClientInfo) -> ClientInfo:
        conn_info, chan_info = json_payload(info.conn_info), json_payload(info.chan_info)
        if conn_info is info.conn_info and chan_info is info.chan_info:
            return info
        return structs.replace(info, conn_info=conn_info, chan_info=chan_info)
