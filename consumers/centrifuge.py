"""The native protocol's consumer: which encoding a client speaks, and a pump for its connection.

What the commands mean is the Session's to say; their encodings are json_codec.py and protobuf.py.
"""

from typing import Any
from urllib.parse import parse_qs

from channels.consumer import AsyncConsumer

from consumers.codec import WireCodec
from consumers.cookies import LOGIN_KEY
from consumers.json_codec import JsonCodec
from consumers.protobuf import ProtobufCodec
from consumers.pump import Pump, refuse
from realtime.rate_limits.throttle import whole_seconds
from realtime.runtime import get_runtime

JSON_SUBPROTOCOL = "centrifuge-json"
PROTOBUF_SUBPROTOCOL = "centrifuge-protobuf"

JSON = JsonCodec()
PROTOBUF = ProtobufCodec()


class CentrifugeConsumer(AsyncConsumer):
    """A Channels consumer that routes nothing by a message's type: the pump feeds a Session instead.

    So it takes no channel and no group of the channel layer for each connection; the hub holds one
    subscription per topic for all of them.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        runtime = get_runtime()
        if runtime.is_draining:
            await refuse(scope, receive, send, status=503)
            return
        host, _port = scope.get("client") or ("", 0)
        wait_seconds = await runtime.throttle.connect_from(host)
        if wait_seconds:
            # Before the upgrade: it costs less than anything that comes after it.
            headers = [(b"retry-after", b"%d" % whole_seconds(wait_seconds))]
            await refuse(scope, receive, send, status=429, headers=headers)
            return
        subprotocol, codec = negotiate(scope)
        pump = Pump(
            node=runtime.node,
            codec=codec,
            scope=scope,
            receive=receive,
            send=send,
            login_key=scope.get(LOGIN_KEY, ""),
        )
        await pump.run(subprotocol)


def negotiate(scope: dict[str, Any]) -> tuple[str | None, WireCodec]:
    """The subprotocol to answer with (None: none was asked that we know), and the codec it means."""
    asked = scope.get("subprotocols") or ()
    if PROTOBUF_SUBPROTOCOL in asked:
        return PROTOBUF_SUBPROTOCOL, PROTOBUF
    if JSON_SUBPROTOCOL in asked:
        return JSON_SUBPROTOCOL, JSON
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    formats = query.get("cf_protocol", []) + query.get("format", [])
    return None, PROTOBUF if "protobuf" in formats else JSON
