"""The chat's decisions: what is stored, what is published, what is refused, at how many queries."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID, uuid4

import msgspec
import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries

from realtime.features.chat import services
from realtime.features.chat.errors import ClientIdReused, InvalidText, NotAllowed, RoomExists, RoomNotFound
from realtime.features.chat.models import Message, Room
from realtime.features.chat.services import Sent
from tests.accounts import make_user
from tests.features.chat.conftest import Published

pytestmark = pytest.mark.django_db


def send(author: User, text: str, room: Room, client_id: UUID | None = None) -> Sent:
    return services.send_message(
        author=author, room_slug=room.slug, text=text, client_id=client_id or uuid4()
    )


def test_a_sent_message_is_stored_and_published_as_it_is_answered(
    alice: User, lobby: Room, published: Published
) -> None:
    sent = send(alice, "Hello", lobby)

    stored = Message.objects.get()
    assert (stored.text, stored.author, stored.room) == ("Hello", alice, lobby)
    assert sent.is_new
    assert sent.message.author.name == "Alice"
    assert published == [
        ("chat:lobby", {"type": "message", "message": msgspec.to_builtins(sent.message)}),
    ]


def test_sending_again_stores_and_publishes_nothing(alice: User, lobby: Room, published: Published) -> None:
    client_id = uuid4()
    first = send(alice, "Hello", lobby, client_id)

    second = send(alice, "Hello", lobby, client_id)

    assert second == Sent(first.message, is_new=False)
    assert Message.objects.count() == 1
    assert len(published) == 1


def test_two_people_may_choose_the_same_client_id(alice: User, bob: User, lobby: Room) -> None:
    client_id = uuid4()
    send(alice, "From Alice", lobby, client_id)

    assert send(bob, "From Bob", lobby, client_id).message.text == "From Bob"


def test_a_client_id_is_not_taken_to_another_room(alice: User, lobby: Room, published: Published) -> None:
    other = Room.objects.create(slug="other", name="Other")
    client_id = uuid4()
    send(alice, "Hello", lobby, client_id)

    with pytest.raises(ClientIdReused, match="lobby"):
        send(alice, "Hello", other, client_id)
    assert len(published) == 1


def test_text_is_stored_without_the_space_around_it(alice: User, lobby: Room) -> None:
    assert send(alice, "  two\nlines \n", lobby).message.text == "two\nlines"


@pytest.mark.parametrize("text", ["", " \n\t ", "x" * 4001, "a\0b", "half \ud83d of a pair"])
def test_text_that_is_empty_too_long_or_unstorable_is_refused(
    alice: User, lobby: Room, published: Published, text: str
) -> None:
    with pytest.raises(InvalidText, match=r"A message has .* send it again"):
        send(alice, text, lobby)
    assert not Message.objects.exists()
    assert published == []


def test_text_may_have_the_longest_length(alice: User, lobby: Room) -> None:
    assert send(alice, "👋" * 4000, lobby).is_new


def test_nobody_sends_to_a_room_that_does_not_exist(alice: User) -> None:
    with pytest.raises(RoomNotFound, match="nowhere"):
        services.send_message(author=alice, room_slug="nowhere", text="Hello", client_id=uuid4())


def test_an_inactive_account_does_not_send(alice: User, lobby: Room) -> None:
    alice.is_active = False

    with pytest.raises(NotAllowed):
        send(alice, "Hello", lobby)


def test_a_transaction_that_fails_takes_the_message_with_it(alice: User, lobby: Room) -> None:
    @transaction.atomic
    def send_and_fail() -> None:
        send(alice, "Hello", lobby)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        send_and_fail()

    assert not Message.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_threads_that_send_one_message_one_stores_it(alice: User, lobby: Room) -> None:
    client_id = uuid4()
    together = Barrier(4)

    def send_once(_: int) -> Sent:
        try:
            together.wait(timeout=10)
            return send(alice, "Hello", lobby, client_id)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(send_once, range(4)))

    assert sum(each.is_new for each in sent) == 1
    assert len({each.message.id for each in sent}) == 1


def test_the_newest_page_is_oldest_first(alice: User, lobby: Room) -> None:
    for number in range(5):
        send(alice, f"{number}", lobby)

    page = services.fetch_page(room_slug="lobby", limit=3)

    assert [message.text for message in page.messages] == ["2", "3", "4"]
    assert page.has_more


def test_pages_before_and_after_meet_without_gap_or_overlap(alice: User, lobby: Room) -> None:
    ids = [send(alice, f"{number}", lobby).message.id for number in range(7)]

    before = services.fetch_page(room_slug="lobby", before=ids[3], limit=2)
    after = services.fetch_page(room_slug="lobby", after=ids[3], limit=10)

    assert ([message.id for message in before.messages], before.has_more) == (ids[1:3], True)
    assert ([message.id for message in after.messages], after.has_more) == (ids[4:], False)


def test_a_page_shows_its_own_room_only(alice: User, lobby: Room) -> None:
    other = Room.objects.create(slug="other", name="Other")
    send(alice, "elsewhere", other)

    assert services.fetch_page(room_slug="lobby", limit=10) == services.Page([], has_more=False)


def test_a_page_of_no_room_is_refused(db: None) -> None:
    with pytest.raises(RoomNotFound):
        services.fetch_page(room_slug="nowhere", limit=10)


def test_rooms_come_by_name_with_their_newest_message(alice: User, lobby: Room) -> None:
    Room.objects.create(slug="attic", name="Attic")
    send(alice, "first", lobby)
    send(alice, "second", lobby)

    attic, shown_lobby = services.list_rooms()

    assert (attic.slug, attic.last_message) == ("attic", None)
    assert shown_lobby.last_message is not None
    assert shown_lobby.last_message.text == "second"
    assert (shown_lobby.topic, shown_lobby.typing_topic) == ("chat:lobby", "typing:lobby")


def test_a_new_room_is_announced_to_everybody(alice: User, published: Published) -> None:
    room = services.create_room(creator=alice, name="  Tea   and cake ", description="At four")

    assert (room.slug, room.name, room.description) == ("tea-and-cake", "Tea and cake", "At four")
    assert Room.objects.get().created_by == alice
    assert published == [("rooms:all", {"type": "room", "room": msgspec.to_builtins(room)})]


@pytest.mark.parametrize("name", ["Tea", "TEA", "tea!"])
def test_a_room_too_much_like_another_is_refused(alice: User, published: Published, name: str) -> None:
    services.create_room(creator=alice, name="Tea")

    with pytest.raises(RoomExists, match="another name"):
        services.create_room(creator=alice, name=name)
    assert len(published) == 1


def test_a_name_without_latin_letters_gets_a_slug_that_topics_can_have(alice: User) -> None:
    room = services.create_room(creator=alice, name="お茶")

    assert room.name == "お茶"
    assert room.slug.isascii()
    assert room.slug.startswith("room-")


@pytest.mark.parametrize(
    ("name", "description"), [("", ""), ("   ", ""), ("x" * 61, ""), ("Tea", "x" * 201), ("a\0b", "")]
)
def test_a_room_without_a_proper_name_is_refused(alice: User, name: str, description: str) -> None:
    with pytest.raises(InvalidText):
        services.create_room(creator=alice, name=name, description=description)
    assert not Room.objects.exists()


def test_the_number_of_queries_does_not_grow_with_the_rows(
    alice: User, lobby: Room, published: Published, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        author = make_user(f"user{number}")
        send(author, "Hello", Room.objects.create(slug=f"room-{number}", name=f"Room {number}"))
        send(author, "Hello", lobby)

    with django_assert_num_queries(2):
        services.list_rooms()
    with django_assert_num_queries(2):
        services.fetch_page(room_slug="lobby", limit=20)
    # A transaction, the room under its lock, the client id looked up, and the insert in a savepoint.
    with django_assert_num_queries(7):
        send(alice, "Hello", lobby)
