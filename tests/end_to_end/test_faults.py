"""The judge of the fault runs finds what it is there to find."""

import pytest

from realtime.messages import Position
from tests.end_to_end.faults import Faults, Logs, Trail

START = Position(10, "first")


def trail_of(*offsets: int, start: Position = START) -> Trail:
    trail = Trail()
    trail.begin(start)
    for offset in offsets:
        trail.take(offset, f"mark {offset}")
    return trail


@pytest.mark.parametrize(
    ("offsets", "faults"),
    [
        ((11, 12, 13), Faults()),
        ((), Faults(lost=3)),
        ((12, 13), Faults(lost=1)),
        ((11, 13), Faults(lost=1)),
        ((11, 12), Faults(lost=1)),
        ((11, 12, 12, 13), Faults(doubled=1)),
        ((11, 12, 13, 12), Faults(doubled=1, reordered=1)),
        ((11, 13, 12), Faults(reordered=1)),
    ],
)
def test_a_trail_is_held_against_its_log(offsets: tuple[int, ...], faults: Faults) -> None:
    [stretch] = trail_of(*offsets).stretches

    assert stretch.faults(Position(13, "first")) == faults


def test_who_never_heard_of_the_new_log_has_lost_it() -> None:
    [stretch] = trail_of(11).stretches

    assert stretch.faults(Position(5, "second")) == Faults(lost=5)


def test_who_was_told_has_lost_nothing_before_that_but_what_was_in_between() -> None:
    trail = trail_of(11, 13)

    trail.begin(Position(2, "second"))
    trail.take(3, "mark 3")

    told, last = trail.stretches
    assert trail.told == 1
    assert trail.position == Position(3, "second")
    assert told.faults(None) == Faults(lost=1)
    assert last.faults(Position(3, "second")) == Faults()


def test_a_recovered_trail_goes_on() -> None:
    trail = trail_of(11)

    trail.go_on()
    trail.take(12, "mark 12")

    assert (trail.told, trail.recoveries) == (0, 1)
    assert trail.stretches[0].faults(Position(12, "first")) == Faults()


def test_what_was_acknowledged_must_stand_in_a_log_once() -> None:
    logs = Logs()
    logs.add("topic", "first", [(1, "a"), (2, "b"), (3, "b"), (4, "c")])

    assert logs.faults(["a", "b", "d"], unknown=["c"]) == Faults(lost=1, doubled=1)


def test_a_log_that_was_begun_anew_may_have_the_same_again() -> None:
    logs = Logs()
    logs.add("topic", "first", [(1, "a")])
    logs.add("topic", "second", [(1, "a")])

    assert logs.faults(["a"], unknown=[]) == Faults()


def test_clients_that_disagree_are_found() -> None:
    logs = Logs()
    logs.add("topic", "first", [(1, "a")])

    with pytest.raises(AssertionError, match="topic has a and b at 1"):
        logs.add("topic", "first", [(1, "b")])


def test_what_nobody_published_is_found() -> None:
    logs = Logs()
    logs.add("topic", "first", [(1, "a")])

    with pytest.raises(AssertionError, match="nobody published"):
        logs.faults([], unknown=[])
