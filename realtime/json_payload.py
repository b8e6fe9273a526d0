"""A payload as part of a JSON text. Payloads are any bytes, and most of them are JSON already. Pure."""

import base64
from typing import Final

import msgspec
from msgspec import Raw

from realtime.messages import EMPTY

_checker: Final = msgspec.json.Decoder(Raw)


def json_payload(payload: Raw) -> Raw:
    """The payload itself where it is one line of JSON, as nearly always.

    What is not JSON on one line would break the text around it, or forge parts of it: it is compacted
    where it is JSON, and else becomes a JSON string of its base64.
    """
    if not len(payload):
        # Not any empty payload: only this one is left out.
        return EMPTY
    data = bytes(payload)
    try:
        _checker.decode(data)
        data.decode()
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Raw(b'"' + base64.b64encode(data) + b'"')
    return payload if b"\n" not in data else Raw(msgspec.json.format(data, indent=-1))
