"""A pattern for topics' names, as Centrifugo's `channels` takes it. It knows no topics."""

import fnmatch
import re
from collections.abc import Iterator

from realtime.errors import CommandError, ErrorCode

# As many characters as a name may have, and fewer ways to read one pattern than anybody writes by hand.
MAX_LENGTH = 255
MAX_ALTERNATIVES = 64


class TopicPattern:
    """`*` any text, `?` one character, `[a-z]` and `[!a-z]` one of a set, `{a,b*}` one of several.

    "" matches everything. Raises CommandError 107 for what is no pattern.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        # What fnmatch makes of it never goes back behind a text that was found after a `*`: no
        # pattern takes longer than the name times the pattern.
        self._expressions = [re.compile(fnmatch.translate(each)) for each in _alternatives(text)]

    def matches(self, topic: str) -> bool:
        return not self.text or any(expression.match(topic) for expression in self._expressions)


def _alternatives(text: str) -> list[str]:
    if len(text) > MAX_LENGTH:
        raise _wrong(f"has {len(text)} characters, expected at most {MAX_LENGTH}")
    if "\\" in text:
        raise _wrong(r"has a \, which means nothing here; write [*] for a star")
    alternatives = []
    for alternative in _expand(text):
        alternatives.append(alternative)
        if len(alternatives) > MAX_ALTERNATIVES:
            raise _wrong(f"has more than {MAX_ALTERNATIVES} alternatives; ask in several requests")
    return alternatives


def _expand(text: str) -> Iterator[str]:
    before, brace, rest = text.partition("{")
    if not brace:
        if "}" in text:
            raise _wrong("has a } without its {")
        yield text
        return
    options, after = _options(rest)
    for option in options:
        yield from _expand(f"{before}{option}{after}")


def _options(rest: str) -> tuple[list[str], str]:
    """What stands between the brace that was opened before `rest` and its end, and what comes after."""
    options, depth, start = [], 0, 0
    for index, character in enumerate(rest):
        if character == "{":
            depth += 1
        elif depth and character == "}":
            depth -= 1
        elif not depth and character in ",}":
            options.append(rest[start:index])
            start = index + 1
            if character == "}":
                return options, rest[start:]
    raise _wrong("has a { without its }")


def _wrong(problem: str) -> CommandError:
    return CommandError(ErrorCode.BAD_REQUEST, f"the pattern {problem}")
