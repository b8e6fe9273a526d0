"""What load balancers are told."""

from dataclasses import dataclass, field

import pytest
from django.test import Client

from api import health
from realtime.outbox.lag import OutboxStats


@dataclass
class FakeLayer:
    is_available: bool = True


@dataclass
class FakeRelay:
    is_running: bool = False
    stats: OutboxStats = field(default_factory=lambda: OutboxStats(waiting=3, oldest_seconds=0.5))


@dataclass
class FakeRuntime:
    is_ready: bool = True
    is_draining: bool = False
    layer: FakeLayer = field(default_factory=FakeLayer)
    outbox: FakeRelay = field(default_factory=FakeRelay)


def test_a_running_process_is_alive(client: Client) -> None:
    answer = client.get("/health/live")

    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_process_that_wants_clients_is_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "get_runtime", FakeRuntime)

    answer = client.get("/health/ready")

    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


def test_what_waits_in_the_outbox_is_shown_and_is_no_reason(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "get_runtime", lambda: FakeRuntime(outbox=FakeRelay(is_running=True)))

    answer = client.get("/health/ready")

    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert (answer.json()["outbox"]["waiting"], answer.json()["outbox"]["oldest_seconds"]) == (3, 0.5)


@pytest.mark.parametrize(
    ("runtime", "reason"),
    [
        (FakeRuntime(is_ready=False), "starting"),
        (FakeRuntime(is_ready=False, is_draining=True), "stopping"),
        (FakeRuntime(layer=FakeLayer(is_available=False)), "the topic layer is away"),
    ],
)
def test_a_process_that_wants_none_says_why_and_fills_no_log(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    runtime: FakeRuntime,
    reason: str,
) -> None:
    monkeypatch.setattr(health, "get_runtime", lambda: runtime)

    answer = client.get("/health/ready")

    assert (answer.status_code, answer.json()) == (503, {"status": "not ready", "reason": reason})
    assert "no-store" in answer.headers["Cache-Control"]
    assert "Service Unavailable" not in capfd.readouterr().err


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_health_is_read_only(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
