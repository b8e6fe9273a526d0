"""What the log shows of secrets: nothing, however they come."""

import logging
import sys
import time

import pytest

from project.redaction import RedactingFormatter, redact
from tests.tokens import sign

SECRET = "hunter2-Zq4vJ8nR2xK6mT0w"


def show(message: str, *args: object, exc_info: object = None) -> str:
    record = logging.LogRecord("name", logging.INFO, "file", 1, message, args, exc_info)  # type: ignore[arg-type]  # Any arguments.
    return RedactingFormatter("{levelname} {message}", style="{").format(record)


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: apikey {SECRET}",
        f"< Authorization: Bearer {SECRET}",
        f"X-API-Key: {SECRET}",
        f"> Cookie: theme=dark; sessionid={SECRET}",
        f"(b'authorization', b'apikey {SECRET}')",
        f"{{'Cookie': 'sessionid={SECRET}'}}",
        f"GET /api/publish?api_key={SECRET}&x=1 HTTP/1.1",
        f"GET /connection/websocket?token={SECRET}",
        f"password={SECRET}",
        f"login(username='alice', password='{SECRET}')",
        f'{{"connect":{{"token":"{SECRET}"}}}}',
        f"{{'password': '{SECRET}', 'username': 'alice'}}",
        f'\'{{\\"token\\":\\"{SECRET}\\"}}\'',
        f"REALTIME_TOKEN_HMAC_SECRET={SECRET}",
        f"cannot connect to redis://:{SECRET}@cache.example:6379/0",
        f"postgres://switchboard:{SECRET}@db.example/name is away",
    ],
)
def test_secrets_are_hidden_and_the_rest_is_shown(text: str) -> None:
    shown = show("before %s after", text)

    assert SECRET not in shown
    assert "[hidden]" in shown
    assert shown.startswith("INFO before ")


def test_tokens_are_hidden_also_where_nothing_says_that_they_are_some() -> None:
    token = sign(sub="42")

    shown = show("got %r from a client", token)

    assert shown == "INFO got '[hidden]' from a client"


def test_tracebacks_are_no_way_around() -> None:
    try:
        raise ValueError(f"bad api_key={SECRET}")
    except ValueError:
        shown = show("a view crashed", exc_info=sys.exc_info())

    assert "ValueError: bad api_key=[hidden]" in shown
    assert "\n" in shown


@pytest.mark.parametrize(
    "text",
    [
        "the token of user 42 has expired",
        "SECRET_KEY is shorter than 32 bytes; it can be guessed.",
        "GET https://chat.example/rooms?before=5",
        "REALTIME['TOKEN_HMAC_SECRET'] is the same as SECRET_KEY",
        "published to chat:lobby at 5",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_nobody_writes_a_line_of_the_log_of_their_own() -> None:
    shown = show("unknown topic %s", "x\r\n2026-01-01 CRITICAL all is lost\x1b[2J\u2028\u202e")

    assert shown == r"INFO unknown topic x\r\n2026-01-01 CRITICAL all is lost\x1b[2J\u2028\u202e"


@pytest.mark.parametrize(
    "piece", ["password", "token=", "eyJ", "a", "://", "'token':'", "_", "Cookie:", "eyJaaaaaa."]
)
def test_a_long_line_of_a_strangers_takes_no_long_time(piece: str) -> None:
    started = time.process_time()

    redact(piece * (100_000 // len(piece)))

    # Linear takes some 10 ms; quadratic would take minutes.
    assert time.process_time() - started < 2
