"""Rates in REALTIME: each its own key, and a bad one stops the server with what was expected."""

from dataclasses import fields
from typing import Any

import pytest

from project.settings import environment
from realtime.conf import parse_settings
from realtime.errors import ConfigurationError
from realtime.rate_limits.rate import EXPECTED, Rate
from realtime.rate_limits.rates import Rates

NAMES = [each.name for each in fields(Rates)]


@pytest.mark.parametrize("name", NAMES)
def test_every_rate_is_set_by_its_key(name: str) -> None:
    rates = parse_settings({f"RATE_{name.upper()}": "30/m:50"}).rates

    assert getattr(rates, name) == Rate(30, period_seconds=60, burst=50)
    assert [getattr(rates, each) for each in NAMES if each != name] == [
        getattr(Rates(), each) for each in NAMES if each != name
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_rate_can_be_off(name: str) -> None:
    assert getattr(parse_settings({f"RATE_{name.upper()}": "off"}).rates, name) is None


@pytest.mark.parametrize("value", ["often", "", "10", 5, None, "0/s"])
def test_what_is_no_rate_stops_the_server(value: Any) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse_settings({"RATE_PUBLISH_PER_USER": value})

    text = str(refusal.value)
    expected = EXPECTED if isinstance(value, str) else "a text"
    assert text == f"REALTIME['RATE_PUBLISH_PER_USER'] is {value!r}, expected {expected}."


def test_the_environments_defaults_are_those_of_the_engine() -> None:
    assert parse_settings(environment.read_realtime({})).rates == Rates()
