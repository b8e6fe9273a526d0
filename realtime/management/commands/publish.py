"""`manage.py publish TOPIC DATA`: one publication from a shell, over Redis or over HTTP."""

import os
import sys
import urllib.error
import urllib.request
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

import msgspec
from django.core.management.base import BaseCommand, CommandError

from realtime.errors import CommandError as Refusal
from realtime.errors import ConfigurationError, LayerUnavailable, PublishUnavailable
from realtime.runtime import get_runtime

URL_VARIABLE = "SWITCHBOARD_URL"
KEY_VARIABLE = "SWITCHBOARD_API_KEY"
TIMEOUT_SECONDS = 10


class Command(BaseCommand):
    """Prints the position of the publication: offset and epoch."""

    help = 'Publishes JSON, or text, in a topic: manage.py publish news:today \'{"headline": "It works"}\''

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("topic")
        parser.add_argument("data", help="JSON; - reads it from stdin.")
        parser.add_argument(
            "--text", action="store_true", help="The data is a text: publish it as a JSON string."
        )
        parser.add_argument("--idempotency-key", default="", help="Repeats of it publish nothing.")
        parser.add_argument(
            "--url",
            default=os.environ.get(URL_VARIABLE, ""),
            help=f"Publish over HTTP to this server, such as https://example.com ({URL_VARIABLE}).",
        )
        parser.add_argument(
            "--key",
            default=os.environ.get(KEY_VARIABLE, ""),
            help=f"The API key for it; others see it in the list of processes, so rather set {KEY_VARIABLE}.",
        )

    def handle(self, *_args: Any, topic: str, data: str, url: str, key: str, **options: Any) -> None:
        payload = self._payload(data, is_text=options["text"])
        idempotency_key: str = options["idempotency_key"]
        if url:
            offset, epoch = _post(url, key, topic, payload, idempotency_key)
        else:
            offset, epoch = _publish(topic, payload, idempotency_key)
        self.stdout.write(f"{offset} {epoch}".strip() if epoch else "published; the topic keeps no history")

    def _payload(self, data: str, *, is_text: bool) -> bytes:
        raw = sys.stdin.buffer.read() if data == "-" else os.fsencode(data)
        try:
            text = raw.decode()
            if is_text:
                return msgspec.json.encode(text.rstrip("\n"))
            # It is published as it stands; reading all of it shows that it is JSON to the end.
            msgspec.json.decode(text)
        except (UnicodeError, msgspec.DecodeError, RecursionError) as error:
            raise CommandError(
                f"The data is no JSON ({error}). Mend it, or publish it as a text with --text."
            ) from None
        return raw.strip()


def _publish(topic: str, data: bytes, idempotency_key: str) -> tuple[int, str]:
    try:
        published = get_runtime().publish_blocking(topic, data, idempotency_key=idempotency_key)
    except PublishUnavailable as error:
        raise CommandError(
            f"{error} Or publish over HTTP: --url http://127.0.0.1:8000 with an API key in {KEY_VARIABLE}."
        ) from None
    except LayerUnavailable as error:
        raise CommandError(
            f"Redis cannot be reached: {error.detail}. See to REDIS_URL, and repeat it."
        ) from None
    except (Refusal, ConfigurationError) as error:
        raise CommandError(f"Not published: {error}.") from None
    return published.position.offset, published.position.epoch


class _Position(msgspec.Struct):
    offset: int = 0
    epoch: str = ""


class _Failure(msgspec.Struct):
    code: int | str
    message: str


class _Answer(msgspec.Struct):
    result: _Position | None = None
    error: _Failure | None = None


def _post(url: str, key: str, topic: str, data: bytes, idempotency_key: str) -> tuple[int, str]:
    if urlsplit(url).scheme not in ("http", "https"):
        raise CommandError(f"--url is {url!r}, expected one such as https://example.com.")
    if not key:
        raise CommandError(
            f"--url needs an API key: set {KEY_VARIABLE}. `manage.py apikey create` makes one."
        )
    body = msgspec.json.encode(
        {"channel": topic, "data": msgspec.Raw(data), "idempotency_key": idempotency_key}
    )
    request = urllib.request.Request(  # noqa: S310  # The scheme was looked at.
        f"{url.rstrip('/')}/api/publish",
        data=body,
        headers={"X-API-Key": key, "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310  # As above.
            answer = msgspec.json.decode(response.read(), type=_Answer)
    except urllib.error.HTTPError as error:
        raise CommandError(
            f"Not published: {url} answers {error.code} {error.reason}. {_why(error)}"
        ) from None
    except (OSError, msgspec.DecodeError) as error:
        raise CommandError(
            f"Not published: {url} cannot be reached, or is no Switchboard ({error})."
        ) from None
    if answer.error is not None:
        raise CommandError(f"Not published: {answer.error.code} {answer.error.message}.")
    position = answer.result or _Position()
    return position.offset, position.epoch


def _why(error: urllib.error.HTTPError) -> str:
    try:
        answer = msgspec.json.decode(error.read(), type=_Answer)
    except (OSError, msgspec.DecodeError):
        return ""
    return "" if answer.error is None else answer.error.message
