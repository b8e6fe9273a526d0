"""Who may do what in the chat's topics."""

import pytest

from realtime.caller import Caller
from realtime.errors import CommandError, ErrorCode
from realtime.features.chat import rules
from realtime.features.chat.models import Room
from realtime.topics.name import TopicName
from realtime.topics.registry import namespaces

ALICE = Caller(user="1", client="c1")
STRANGER = Caller(user="", client="c2")


@pytest.mark.parametrize("topic", ["chat:lobby", "typing:lobby"])
def test_signed_in_people_enter_rooms_that_exist(lobby: Room, topic: str) -> None:
    assert rules.can_enter_room(ALICE, TopicName.parse(topic))


@pytest.mark.parametrize("topic", ["chat:nowhere", "typing:nowhere", "chat:", "chat:LOBBY"])
def test_nobody_enters_a_room_that_does_not_exist(lobby: Room, topic: str) -> None:
    assert not rules.can_enter_room(ALICE, TopicName.parse(topic))


def test_strangers_enter_no_room_and_see_no_list(lobby: Room) -> None:
    assert not rules.can_enter_room(STRANGER, TopicName.parse("chat:lobby"))
    assert not rules.can_watch_rooms(STRANGER, TopicName.parse("rooms:all"))


def test_the_list_of_rooms_is_one_topic() -> None:
    assert rules.can_watch_rooms(ALICE, TopicName.parse("rooms:all"))
    assert not rules.can_watch_rooms(ALICE, TopicName.parse("rooms:other"))


@pytest.mark.parametrize("data", [b'{"typing":true}', b'{ "typing" : false }'])
def test_typing_is_published_in_its_shortest_form(data: bytes) -> None:
    assert rules.check_typing(ALICE, TopicName.parse("typing:lobby"), data) == data.replace(b" ", b"")


@pytest.mark.parametrize(
    "data",
    [b"{}", b'{"typing":1}', b'{"typing":"true"}', b'{"typing":true,"text":"x"}', b"[]", b"null", b"", b"{"],
)
def test_nothing_else_is_published_as_typing(data: bytes) -> None:
    with pytest.raises(CommandError) as refused:
        rules.check_typing(ALICE, TopicName.parse("typing:lobby"), data)
    assert refused.value.code is ErrorCode.BAD_REQUEST


def test_clients_publish_in_no_topic_but_typing() -> None:
    writable = {
        namespace.name
        for namespace in namespaces
        if namespace.allow_publish_for_client
        or namespace.allow_publish_for_subscriber
        or namespace.can_publish is not None
    }

    assert writable == {"typing"}
