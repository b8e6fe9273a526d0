"""Which changes of rows are told, for whom, and when: with the commit, once, and not after a rollback."""

import uuid
from collections.abc import Iterable

import pytest
from django.core.exceptions import FieldDoesNotExist
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from realtime.features.chat.models import Message, Room
from realtime.orders import RuleChange
from realtime.revocation import recheck, recheck_on
from realtime.revocation.batch import MAX_CHANGES
from tests.accounts import make_user
from tests.realtime.revocation.conftest import SentChanges

# Commits are real: what happens with them is what is shown here.
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("watched_for_this_test"),
]


def watch_messages() -> None:
    """Messages stand in for memberships: rows of a user in a room."""
    recheck_on(
        Message,
        namespaces=["room"],
        users=lambda row: [row.author_id],
        topics=lambda row: [f"room:{row.room.slug}"],
    )


def make_room(slug: str = "tea") -> Room:
    return Room.objects.create(slug=slug, name=slug)


def write(room: Room, author: int, text: str = "hello") -> Message:
    return Message.objects.create(room=room, author_id=author, text=text, client_id=uuid.uuid4())


@transaction.atomic
def write_and_fail(room: Room, author: int) -> None:
    write(room, author)
    raise RuntimeError("as the test wants it")


def in_room(user: int, slug: str = "tea") -> RuleChange:
    return RuleChange(namespace="room", user=str(user), topic=f"room:{slug}")


def test_a_row_that_comes_changes_or_goes_is_told(sent: SentChanges) -> None:
    watch_messages()
    room, ann = make_room(), make_user("ann").pk
    sent.forget()

    row = write(room, ann)
    row.text = "hello again"
    row.save()
    row.delete()

    assert sent == [in_room(ann)] * 3


def test_of_a_change_both_who_was_concerned_and_who_is_are_told(sent: SentChanges) -> None:
    watch_messages()
    tea, cup, ann, ben = make_room(), make_room("cup"), make_user("ann").pk, make_user("ben").pk
    row = write(tea, ann)
    sent.forget()

    row.author_id, row.room = ben, cup
    row.save()

    assert sent == [in_room(ann, "tea"), in_room(ben, "cup")]


def test_rows_that_are_deleted_by_a_query_or_with_another_row_are_told(sent: SentChanges) -> None:
    watch_messages()
    tea, cup, ann, ben = make_room(), make_room("cup"), make_user("ann").pk, make_user("ben").pk
    write(tea, ann)
    write(cup, ben)
    sent.forget()

    Message.objects.filter(author_id=ann).delete()
    cup.delete()

    assert {in_room(ann, "tea"), in_room(ben, "cup")} <= set(sent)


def test_a_transaction_tells_with_its_commit_and_each_change_once(sent: SentChanges) -> None:
    watch_messages()
    room, ann = make_room(), make_user("ann").pk
    sent.forget()

    with transaction.atomic():
        row = write(room, ann)
        for _ in range(5):
            row.save()
            assert sent == []

    assert (sent, sent.times) == ([in_room(ann)], 1)


def test_a_rollback_tells_nothing_then_or_later(sent: SentChanges) -> None:
    watch_messages()
    room, ann, ben = make_room(), make_user("ann").pk, make_user("ben").pk
    sent.forget()

    with pytest.raises(RuntimeError, match="as the test wants it"):
        write_and_fail(room, ann)
    assert sent == []
    write(room, ben)

    assert sent == [in_room(ben)]


def test_a_savepoint_that_is_rolled_back_takes_nothing_of_the_rest_along(sent: SentChanges) -> None:
    watch_messages()
    room, ann, ben = make_room(), make_user("ann").pk, make_user("ben").pk
    sent.forget()

    with transaction.atomic():
        with pytest.raises(RuntimeError, match="as the test wants it"):
            write_and_fail(room, ann)
        write(room, ben)

    assert in_room(ben) in sent
    assert sent.times == 1


def test_what_stands_before_a_savepoint_that_is_rolled_back_is_told(sent: SentChanges) -> None:
    watch_messages()
    room, ann, ben = make_room(), make_user("ann").pk, make_user("ben").pk
    sent.forget()

    with transaction.atomic():
        write(room, ann)
        with pytest.raises(RuntimeError, match="as the test wants it"):
            write_and_fail(room, ben)

    assert in_room(ann) in sent


def test_ten_thousand_rows_come_down_to_one_change_and_soon_cost_no_query_each(sent: SentChanges) -> None:
    watch_messages()
    room, ann = make_room(), make_user("ann")
    rows = [Message(room=room, author=ann, text="x", client_id=uuid.uuid4()) for _ in range(10_000)]
    Message.objects.bulk_create(rows, batch_size=1000)
    sent.forget()

    with CaptureQueriesContext(connection) as queries:
        Message.objects.all().delete()

    assert (sent, sent.times) == ([RuleChange(namespace="room")], 1)
    assert len(queries) < 1.5 * MAX_CHANGES


def test_more_changes_than_are_kept_become_all_of_their_namespace(sent: SentChanges) -> None:
    with transaction.atomic():
        recheck(users=[1], namespaces=["other"])
        recheck(users=range(MAX_CHANGES + 5), namespaces=["room"])

    assert sent == [RuleChange(namespace="room"), RuleChange(namespace="other", user="1")]


def test_more_changes_than_are_kept_that_name_no_namespace_become_all(sent: SentChanges) -> None:
    with transaction.atomic():
        recheck(users=[1], namespaces=["other"])
        recheck(users=range(MAX_CHANGES + 5))

    assert sent == [RuleChange()]


def test_changes_of_other_fields_do_not_count_where_fields_are_named(sent: SentChanges) -> None:
    recheck_on(Message, namespaces=["room"], users=lambda row: [row.author_id], fields=["author"])
    room, ann, ben = make_room(), make_user("ann").pk, make_user("ben").pk
    row = write(room, ann)
    sent.forget()

    row.text = "other"
    row.save()
    row.author_id = ben
    row.save(update_fields=["text"])
    assert sent == []
    row.save(update_fields=["author"])

    assert sent.users == {str(ann), str(ben)}


def test_a_field_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(FieldDoesNotExist):
        recheck_on(Message, fields=["nothing"])


def test_without_users_and_topics_all_of_the_namespaces_are_asked(sent: SentChanges) -> None:
    recheck_on(Message, namespaces=["room", "other"])
    room, ann = make_room(), make_user("ann").pk
    sent.forget()

    write(room, ann)

    assert sent == [RuleChange(namespace="room"), RuleChange(namespace="other")]


def test_a_row_that_names_nobody_concerns_nobody(sent: SentChanges) -> None:
    recheck_on(Room, namespaces=["room"], users=lambda room: [room.created_by_id])
    make_room()

    assert [change for change in sent if change.namespace == "room"] == []


def test_where_it_is_not_known_whom_a_row_concerns_all_are_asked(
    sent: SentChanges, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(row: Message) -> Iterable[object]:
        yield row.author_id
        raise RuntimeError("as the test wants it")

    recheck_on(Message, namespaces=["room"], users=fail)
    room, ann = make_room(), make_user("ann").pk
    sent.forget()

    write(room, ann)

    assert RuleChange(namespace="room") in sent
    assert "whom a row concerns is not known" in caplog.text


def test_a_call_waits_for_the_commit_and_names_whom_it_concerns(sent: SentChanges) -> None:
    with transaction.atomic():
        recheck(users=[7, "8"], topics=["room:tea"])
        recheck(namespaces=["other"])
        recheck(users=[7], namespaces=["other"])
        assert sent == []
    recheck()

    assert sent == [RuleChange(namespace="other"), in_room(7), in_room(8), RuleChange()]


def test_a_room_of_the_chat_concerns_its_two_topics(sent: SentChanges) -> None:
    room = make_room()
    sent.forget()

    room.delete()

    assert sent == [
        RuleChange(namespace="chat", topic="chat:tea"),
        RuleChange(namespace="typing", topic="typing:tea"),
    ]
