"""What the tests of revocation share: the orders that would go out."""

from collections.abc import Iterator

import pytest

from realtime.orders import RuleChange
from realtime.revocation import commit, rows


class SentChanges(list[RuleChange]):
    """All changes that were told, and how many times something was told."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def send(self, changes: list[RuleChange]) -> None:
        self.extend(changes)
        self.times += bool(changes)

    @property
    def users(self) -> set[str | None]:
        return {change.user for change in self}

    def forget(self) -> None:
        self.clear()
        self.times = 0


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> SentChanges:
    changes = SentChanges()
    monkeypatch.setattr(commit._sender, "send", changes.send)
    return changes


@pytest.fixture
def watched_for_this_test() -> Iterator[None]:
    """What the test says with recheck_on() ends with it."""
    before = {model: list(dependencies) for model, dependencies in rows._of_rows.items()}
    yield
    # What was connected stays so, and finds nothing.
    for model in rows._of_rows:
        rows._of_rows[model] = before.get(model, [])
