"""Keeps secrets out of the log, and each message on one line, whoever wrote it and whatever is in it.

The last net, not the first: nothing of ours logs a payload or a token. Libraries do, at DEBUG.
"""

import logging
import re
import unicodedata

HIDDEN = "[hidden]"

# Each is linear in the text's length, since strangers write parts of it.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Headers, as they are sent and as Python shows them: (b'cookie', b'…'), {'Cookie': '…'}.
    (
        re.compile(
            r"\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key|x-csrftoken|x-session-token)"
            r"(\\?['\"]?\s*[:=,]\s*b?\\?['\"]?)[^\r\n'\"]+",
            re.IGNORECASE,
        ),
        rf"\1\2{HIDDEN}",
    ),
    # name=value, in URLs, forms and keyword arguments.
    (
        re.compile(
            r"((?:password|passwd|secret|token|api[_-]?key|session(?:id)?|csrf)\w{0,20}=)"
            r"b?\\?(['\"]?)[^\s&'\",;)}\]]+",
            re.IGNORECASE,
        ),
        rf"\1\2{HIDDEN}",
    ),
    # "name": "value", in JSON and in what Python shows of a dict.
    (
        re.compile(
            r"((?:password|passwd|secret|token|api[_-]?key|sessionid|csrf)\w{0,20}\\?['\"]\s*:\s*b?)"
            r"(\\?['\"])[^'\"\\]+",
            re.IGNORECASE,
        ),
        rf"\1\2{HIDDEN}",
    ),
    # Signed tokens, also where nothing says that they are some.
    (re.compile(r"\beyJ[\w-]{5,}(?:\.[\w-]*)*"), HIDDEN),
    # redis://:password@host
    (re.compile(r"(\b[a-z][a-z0-9+]{0,20}://)[^\s/@'\"]{1,400}@", re.IGNORECASE), rf"\1{HIDDEN}@"),
)

# A line break in a topic's name would let its author write lines of the log; other control
# characters would steer the terminal that shows it.
_VISIBLE = {
    code: chr(code).encode("unicode_escape").decode()
    for code in (
        *range(0x20),
        *range(0x7F, 0xA0),
        0x2028,
        0x2029,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    )
    if unicodedata.category(chr(code)) in {"Cc", "Cf", "Zl", "Zp"} and chr(code) != "\t"
}


class RedactingFormatter(logging.Formatter):
    """Hides what looks like a secret, also in tracebacks; shows control characters as escapes."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # The standard library's name.
        return super().formatMessage(record).translate(_VISIBLE)


def redact(text: str) -> str:
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
