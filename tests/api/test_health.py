"""What load balancers are told."""

from dataclasses import dataclass

import pytest
from django.test import Client

from api import health


@dataclass
class FakeRuntime:
    is_ready: bool


def test_a_running_process_is_alive(client: Client) -> None:
    answer = client.get("/health/live")

    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(("is_ready", "status", "text"), [(True, 200, "ready"), (False, 503, "not ready")])
def test_readiness_is_the_runtimes(
    client: Client, monkeypatch: pytest.MonkeyPatch, is_ready: bool, status: int, text: str
) -> None:
    monkeypatch.setattr(health, "get_runtime", lambda: FakeRuntime(is_ready))

    answer = client.get("/health/ready")

    assert (answer.status_code, answer.json()) == (status, {"status": text})


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_health_is_read_only(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
