"""An engine of the test's own behind the API, with namespaces for each kind of topic and one key for all."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from api import key_rows
from api.server import audit
from realtime import runtime as runtime_module
from realtime.conf import parse_settings
from realtime.layers.memory import MemoryTopicLayer
from realtime.runtime import Runtime
from tests.api.server.calls import FULL_KEY, NAMESPACES


@pytest.fixture
def realtime_options() -> dict[str, Any]:
    """What a test may replace: options of REALTIME besides those below."""
    return {}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, realtime_options: dict[str, Any]) -> Iterator[Runtime]:
    options = {
        **settings.REALTIME,
        "API_KEYS": [FULL_KEY],
        "NAMESPACES": NAMESPACES,
        **realtime_options,
    }
    runtime = Runtime(parse_settings(options), MemoryTopicLayer())
    monkeypatch.setattr(runtime_module, "_runtime", runtime)
    monkeypatch.setattr(key_rows, "_table", None)
    # What another test has published is not counted in this one, nor a timer of its loop awaited.
    audit._published.clear()
    audit._counting.clear()
    yield runtime
    runtime._hook_threads.stop()
