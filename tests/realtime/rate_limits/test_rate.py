"""Rates as settings write them."""

import pytest

from realtime.rate_limits.rate import Rate


@pytest.mark.parametrize(
    ("text", "count", "period_seconds", "burst"),
    [
        ("100/s", 100, 1, 100),
        ("30/m:50", 30, 60, 50),
        ("5000/h", 5000, 3600, 5000),
        ("1/d:3", 1, 86_400, 3),
    ],
)
def test_a_rate_is_read(text: str, count: int, period_seconds: int, burst: int) -> None:
    assert Rate.parse(text) == Rate(count=count, period_seconds=period_seconds, burst=burst)


def test_off_is_no_rate() -> None:
    assert Rate.parse("off") is None


@pytest.mark.parametrize(
    "text",
    [
        "", "0", "100", "/s", "100/", "100/w", "100/s:", "100/s:0", "0/s", "-1/s", "1.5/s", "100 /s",
        "100/s ", "100/s\n", "100/S", "OFF", "none", "١٠/s", "9999999999/s", "100/s:50:10",
    ],
)  # fmt: skip
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="rate"):
        Rate.parse(text)


def test_a_rate_says_how_long_one_and_all_of_it_take() -> None:
    rate = Rate(30, period_seconds=60, burst=50)

    assert (rate.interval_seconds, rate.window_seconds) == (2, 100)
