"""`manage.py apikey` and `manage.py publish`, as an operator runs them."""

import io
import sys
from collections.abc import Callable
from typing import Any

import cent
import pytest
from django.core.management import CommandError, call_command

from api.models import ApiKey
from tests.servers import Server
from tests.waiting import wait_until

SETTINGS = "tests.end_to_end.settings_probe"


def run(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    return out.getvalue().strip(), err.getvalue()


# ── apikey ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db
@pytest.mark.usefixtures("engine")
def test_a_key_is_made_listed_rotated_and_revoked() -> None:
    options = ["--scope", "publish", "--scope", "history", "--namespace", ":", "--days", "90"]
    secret, said = run("apikey", "create", "shop", *options)
    key = ApiKey.objects.get()
    assert secret.startswith(f"sb_{key.prefix}_")
    assert secret not in said
    assert (key.scopes, key.namespaces) == (["history", "publish"], [""])

    listed, _ = run("apikey", "list")
    assert f"{key.prefix}  shop  valid until " in listed
    assert "history,publish  in :  never used" in listed
    assert secret.rpartition("_")[2] not in listed

    new, said = run("apikey", "rotate", key.prefix, "--grace", "60")
    assert new != secret
    assert "valid for 60 s more" in said

    _, said = run("apikey", "revoke", key.prefix)
    assert "is revoked" in said
    assert "revoked" in run("apikey", "list")[0]


@pytest.mark.django_db
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["create", "a", "--scope", "everything", "--namespace", "*"], "invalid choice"),
        (["create", "a", "--scope", "publish"], "--namespace"),
        (["create", "a", "--scope", "publish", "--namespace", "a:b"], "no name of a namespace"),
        (["create", "a", "--scope", "publish", "--namespace", "*", "--days", "-1"], "expired already"),
        (["create", "a", "--scope", "publish", "--namespace", "*", "--days", "nan"], "--days is nan"),
        (["create", "", "--scope", "publish", "--namespace", "*"], "no name"),
        (["rotate", "nothing"], "no key 'nothing'"),
        (["revoke", "nothing"], "no key 'nothing'"),
        (["rotate", "nothing", "--grace", "-1"], "time of grace"),
        ([], "create|list|rotate|revoke"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], word: str) -> None:
    with pytest.raises(CommandError) as refused:
        run("apikey", *arguments)

    assert word in str(refused.value)


def test_a_key_made_by_command_opens_a_running_server_and_a_revoked_one_does_not(
    start_server: Callable[..., Server],
) -> None:
    server = start_server(settings=SETTINGS)
    # In one process: each takes a second to begin.
    code = (
        "from django.core.management import call_command\n"
        "call_command('migrate', verbosity=0)\n"
        "call_command('apikey', 'create', 'shop', '--scope=publish', '--namespace=news')\n"
    )
    secret = server.manage("shell", "--no-imports", "--command", code).split()[-1]
    client = cent.Client(f"{server.http}/api", secret)

    assert client.publish(cent.PublishRequest(channel="news:a", data=1)).offset == 1
    printed, _ = run("publish", "news:a", "2", "--url", server.http, "--key", secret)
    assert printed.split()[0] == "2"
    server.manage("apikey", "revoke", secret.split("_")[1])

    def is_refused() -> bool:
        try:
            client.publish(cent.PublishRequest(channel="news:a", data=1))
        except cent.CentUnauthorizedError:
            return True
        return False

    # Another process revoked it.
    wait_until(is_refused, patience_seconds=8)
    client._session.close()
    assert secret not in server.log.read_text()


# ── publish ───────────────────────────────────────────────────────────────────────────────────


class Published:
    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes, str]] = []

    def __call__(self, topic: str, data: bytes, idempotency_key: str) -> tuple[int, str]:
        self.calls.append((topic, data, idempotency_key))
        return 7, "abcd"


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Published:
    published = Published()
    monkeypatch.setattr("realtime.management.commands.publish._publish", published)
    return published


@pytest.mark.parametrize(
    ("arguments", "stdin", "data"),
    [
        (['{"a": 1.0}'], b"", b'{"a": 1.0}'),
        (["5"], b"", b"5"),
        (["--text", "5"], b"", b'"5"'),
        (["-"], b'{"a":\n1}\n', b'{"a":\n1}'),
        (["-", "--text"], "Grüße\n".encode(), '"Grüße"'.encode()),
    ],
)
def test_json_or_text_is_published_from_arguments_or_stdin(
    arguments: list[str], stdin: bytes, data: bytes, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))

    printed, _ = run("publish", "news:a", *arguments, "--idempotency-key", "k")

    assert published.calls == [("news:a", data, "k")]
    assert printed == "7 abcd"


@pytest.mark.parametrize("data", ["{", "hello", "NaN", "[" * 100_000, "\udcff"])
def test_what_is_no_json_is_refused(data: str, published: Published) -> None:
    with pytest.raises(CommandError, match="--text"):
        run("publish", "news:a", "--", data)

    assert not published.calls


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "the memory layer reaches only those of its own process"),
        (["--url", "ftp://a"], "expected one such as https://"),
        (["--url", "http://127.0.0.1:1"], "needs an API key"),
        (["--url", "http://127.0.0.1:1", "--key", "k"], "cannot be reached"),
    ],
)
def test_what_cannot_be_published_is_said(arguments: list[str], word: str) -> None:
    with pytest.raises(CommandError) as refused:
        run("publish", "news:a", "1", *arguments)

    assert word in str(refused.value)


def test_it_publishes_over_redis_from_its_own_process(
    make_server: Callable[..., Server], redis_url: str, redis_prefix: str
) -> None:
    server = make_server(settings=SETTINGS, env={"REDIS_URL": redis_url, "REDIS_PREFIX": redis_prefix})

    printed = server.manage("publish", "news:a", '{"n": 1}')

    offset, epoch = printed.split()
    assert offset == "1"
    assert epoch


@pytest.mark.parametrize("reason", ["key", "topic"])
def test_a_server_that_refuses_is_quoted(shared_server: Callable[..., Server], reason: str) -> None:
    server = shared_server(settings=SETTINGS, env={"REALTIME_API_KEYS": "k"})
    wrong: dict[str, Any] = {"key": ("news:a", "no-such-key"), "topic": ("nowhere:a", "k")}
    topic, key = wrong[reason]

    with pytest.raises(CommandError) as refused:
        run("publish", topic, "1", "--url", server.http, "--key", key)

    assert {"key": "401", "topic": "102 unknown channel"}[reason] in str(refused.value)
