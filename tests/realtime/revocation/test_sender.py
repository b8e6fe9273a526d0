"""How changes reach all processes: in orders of bounded size, and as soon as the topic layer is back."""

import pytest

from realtime.errors import ConfigurationError, LayerUnavailable, PublishUnavailable
from realtime.orders import Order, RecheckSessions, RuleChange
from realtime.revocation import sender
from realtime.revocation.batch import MAX_CHANGES
from realtime.revocation.sender import CHANGES_PER_ORDER, Sender
from tests.waiting import wait_until


class Bus:
    """Where orders go; `error` is what happens instead."""

    def __init__(self) -> None:
        self.orders: list[RecheckSessions] = []
        self.error: Exception | None = None
        self.attempts = 0

    def send_order_blocking(self, order: Order) -> None:
        self.attempts += 1
        if self.error is not None:
            raise self.error
        assert isinstance(order, RecheckSessions)
        self.orders.append(order)

    @property
    def changes(self) -> list[RuleChange]:
        return [change for order in self.orders for change in order.changes]


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Bus:
    bus = Bus()
    monkeypatch.setattr(sender, "get_runtime", lambda: bus)
    monkeypatch.setattr(sender, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(sender, "GIVE_UP_SECONDS", 20)
    return bus


def of_users(count: int) -> list[RuleChange]:
    return [RuleChange(user=str(number)) for number in range(count)]


def test_many_changes_go_in_few_orders(bus: Bus) -> None:
    Sender().send(of_users(MAX_CHANGES))

    assert bus.changes == of_users(MAX_CHANGES)
    assert len(bus.orders) == MAX_CHANGES / CHANGES_PER_ORDER


def test_nothing_to_tell_is_not_told(bus: Bus) -> None:
    Sender().send([])

    assert bus.attempts == 0


@pytest.mark.parametrize("error", [LayerUnavailable("away"), ConnectionError("cut"), TimeoutError()])
def test_what_could_not_be_sent_is_sent_when_the_layer_is_back(bus: Bus, error: Exception) -> None:
    first, second = of_users(2)
    its = Sender()
    bus.error = error

    its.send([first])
    its.send([second])
    wait_until(lambda: bus.attempts > 2)
    bus.error = None

    wait_until(lambda: its._thread is None)
    assert set(bus.changes) == {first, second}


def test_who_changes_rows_does_not_wait_again_for_a_layer_that_is_away(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "RETRY_SECONDS", 5)
    its = Sender()
    bus.error = LayerUnavailable("away")

    for change in of_users(3 * MAX_CHANGES):
        its.send([change])

    assert bus.attempts == 1
    assert len(its._waiting.take()) == 1


@pytest.mark.parametrize(
    ("error", "level"),
    [(PublishUnavailable("serves no clients"), "DEBUG"), (ConfigurationError("wrong"), "ERROR")],
)
def test_a_process_that_reaches_nobody_says_so_once_and_goes_on(
    bus: Bus, error: Exception, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="realtime.revocation")
    bus.error = error

    Sender().send(of_users(MAX_CHANGES))

    assert bus.attempts == 1
    assert [record.levelname for record in caplog.records] == [level]


def test_it_gives_up_in_the_end_and_says_so(
    bus: Bus, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sender, "GIVE_UP_SECONDS", 0.03)
    its = Sender()
    bus.error = LayerUnavailable("away")

    its.send(of_users(1))
    wait_until(lambda: its._thread is None)

    assert "sessions were not told" in caplog.text
    assert not its._waiting
