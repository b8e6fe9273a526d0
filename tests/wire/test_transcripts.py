"""The recorded conversations happen again on both servers; no command, error or close code is left out."""

from collections.abc import Callable

import msgspec
import pytest

from realtime.errors import CloseCode, ErrorCode, UnsubscribeCode
from realtime.messages import Command, Push
from tests.raw_client import Message
from tests.servers import EACH_KIND, Server, ServerKind
from tests.wire.player import Player
from tests.wire.transcript import Gets, IsClosed, Sends, Transcript, load_all

SETTINGS = "tests.end_to_end.settings_probe"
TRANSCRIPTS = load_all()

# Numbers of the protocol that nothing in the server sends yet, and what will.
NOT_SENT: dict[int, str] = {
    ErrorCode.EXPIRED: "an API that refreshes connections",
    ErrorCode.TOO_MANY_REQUESTS: "rate limits",
    CloseCode.CLOSED: "an API that ends connections",
    CloseCode.SERVER_ERROR: "layers that can fail",
    CloseCode.SUBSCRIPTION_EXPIRED: "one-way transports",
    CloseCode.WRITE_ERROR: "one-way transports",
    CloseCode.INSUFFICIENT_STATE: "positions of whole connections",
    CloseCode.FORCE_RECONNECT: "an API that ends connections",
    CloseCode.TOO_MANY_REQUESTS: "rate limits",
    CloseCode.FORCE_NO_RECONNECT: "an API that ends connections",
    CloseCode.TOPIC_LIMIT: "subscribing from outside beyond the limit",
    CloseCode.INAPPROPRIATE_PROTOCOL: "one-way transports",
    CloseCode.PERMISSION_DENIED: "an API that ends connections",
    CloseCode.NOT_AVAILABLE: "one-way transports",
    CloseCode.TOO_MANY_ERRORS: "rate limits",
}
# Sent, but not to a client that reads what it gets: tests/end_to_end/test_limits.py shows it.
NOT_IN_TRANSCRIPTS = {CloseCode.SLOW}
# Pushes for transports other than a WebSocket.
PUSHES_OF_OTHERS = {"connect", "disconnect"}


@pytest.mark.parametrize("kind", EACH_KIND)
@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda transcript: transcript.name)
async def test_the_conversation_happens_again(
    kind: ServerKind,
    transcript: Transcript,
    start_server: Callable[..., Server],
    shared_server: Callable[..., Server],
) -> None:
    get_server = start_server if transcript.stops_the_server else shared_server

    await Player(get_server(kind, settings=SETTINGS, env=transcript.env)).play(transcript)


def test_every_command_is_sent_in_some_transcript() -> None:
    known = {field.name for field in msgspec.structs.fields(Command)} - {"id"}
    sent = {
        name for line in lines_sent() if line.startswith("{") for name in known if f'"{name}": {{' in line
    }

    assert sent == known


def test_every_push_comes_in_some_transcript() -> None:
    known = {field.name for field in msgspec.structs.fields(Push)} - {"id", "channel"} - PUSHES_OF_OTHERS

    assert {name for message in messages_got() for name in message.get("push", {})} >= known


def test_every_error_comes_in_some_transcript() -> None:
    got = {message["error"]["code"] for message in messages_got() if "error" in message}

    assert got == set(ErrorCode) - NOT_SENT.keys()


def test_every_reason_to_unsubscribe_comes_in_some_transcript() -> None:
    got = {
        message["push"]["unsubscribe"]["code"]
        for message in messages_got()
        if "unsubscribe" in message.get("push", {})
    }

    assert got == set(UnsubscribeCode)


def test_every_close_code_comes_in_some_transcript() -> None:
    got = {step.code for each in TRANSCRIPTS for _, step in each.steps if isinstance(step, IsClosed)}

    assert got == set(CloseCode) - NOT_SENT.keys() - NOT_IN_TRANSCRIPTS


def test_texts_of_errors_and_closes_are_those_of_the_table() -> None:
    for message in messages_got():
        if "error" in message:
            [error] = [code for code in ErrorCode if code == message["error"]["code"]]
            assert message["error"]["message"] == error.text
    for transcript in TRANSCRIPTS:
        for _, step in transcript.steps:
            if isinstance(step, IsClosed):
                assert step.reason in [code.text for code in CloseCode if code == step.code]


def lines_sent() -> list[str]:
    return [
        line
        for transcript in TRANSCRIPTS
        for _, step in transcript.steps
        if isinstance(step, Sends)
        for line in step.lines
    ]


def messages_got() -> list[Message]:
    return [step.message for each in TRANSCRIPTS for _, step in each.steps if isinstance(step, Gets)]
