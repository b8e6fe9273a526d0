"""Patterns for topics' names: what each matches, and what is no pattern."""

import time

import pytest

from realtime.errors import CommandError, ErrorCode
from realtime.topics.pattern import MAX_ALTERNATIVES, TopicPattern


@pytest.mark.parametrize(
    ("pattern", "topic", "matches"),
    [
        ("", "chat:lobby", True),
        ("*", "chat:lobby", True),
        ("**", "chat:lobby", True),
        ("chat:*", "chat:lobby", True),
        ("chat:*", "news:today", False),
        ("chat", "chat:lobby", False),
        ("chat:?obby", "chat:lobby", True),
        ("chat:[a-m]obby", "chat:lobby", True),
        ("chat:[!a-m]obby", "chat:lobby", False),
        ("{chat,news}:*", "news:today", True),
        ("{chat,news}:*", "rooms:all", False),
        ("chat:{a,{b,c}d}", "chat:cd", True),
        ("chat:{,lobby}", "chat:", True),
        ("chat.*", "chat:lobby", False),
        ("CHAT:*", "chat:lobby", False),
        ("[*]", "*", True),
        ("[*]", "a", False),
        ("#42,43", "#42,43", True),
    ],
)
def test_a_pattern_matches_whole_names(pattern: str, topic: str, *, matches: bool) -> None:
    assert TopicPattern(pattern).matches(topic) is matches


@pytest.mark.parametrize(
    "pattern", ["{a", "a}", "{a,{b}", "a\\*", "x" * 256, "{a,b}" * 7, "{a," * 60], ids=lambda text: text[:8]
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(CommandError) as refused:
        TopicPattern(pattern)

    assert refused.value.code is ErrorCode.BAD_REQUEST
    assert "the pattern has" in refused.value.detail


def test_as_many_alternatives_as_allowed_are_fine() -> None:
    numbers = ",".join(map(str, range(MAX_ALTERNATIVES)))

    assert TopicPattern(f"{{{numbers}}}").matches(f"{MAX_ALTERNATIVES - 1}")


def test_no_pattern_takes_long() -> None:
    pattern = TopicPattern("*a" * 100 + "b")
    began = time.perf_counter()

    assert not pattern.matches("a" * 255)

    assert time.perf_counter() - began < 0.5
