"""`chat.send` over a connection does what POST …/messages does over HTTP."""

from uuid import uuid4

import msgspec
import pytest
from django.contrib.auth.models import User

from realtime.caller import Caller
from realtime.errors import CommandError, ErrorCode
from realtime.features.chat import rpc
from realtime.features.chat.models import Message, Room
from realtime.features.chat.rpc import SendMessage
from tests.features.chat.conftest import Published


def test_sending_stores_publishes_and_answers_with_the_message(
    alice: User, lobby: Room, published: Published
) -> None:
    answer = rpc.send(Caller(str(alice.pk), "c1"), SendMessage("lobby", "Hello", uuid4()))

    assert answer["id"] == Message.objects.get().pk
    assert answer["author"] == {"id": alice.pk, "username": "alice", "name": "Alice"}
    assert published == [("chat:lobby", {"type": "message", "message": answer})]
    assert msgspec.json.encode(answer)


@pytest.mark.parametrize("user", ["", "robot", "-1", "0", "9" * 19, "9" * 400, "١٢٣"])
def test_a_token_for_no_account_does_not_send(lobby: Room, user: str) -> None:
    with pytest.raises(CommandError) as refused:
        rpc.send(Caller(user, "c1"), SendMessage("lobby", "Hello", uuid4()))
    assert refused.value.code is ErrorCode.PERMISSION_DENIED


def test_an_unknown_room_is_not_permitted(alice: User) -> None:
    with pytest.raises(CommandError) as refused:
        rpc.send(Caller(str(alice.pk), "c1"), SendMessage("nowhere", "Hello", uuid4()))
    assert refused.value.code is ErrorCode.PERMISSION_DENIED


def test_an_empty_text_is_a_bad_request(alice: User, lobby: Room) -> None:
    with pytest.raises(CommandError) as refused:
        rpc.send(Caller(str(alice.pk), "c1"), SendMessage("lobby", "  ", uuid4()))
    assert refused.value.code is ErrorCode.BAD_REQUEST
