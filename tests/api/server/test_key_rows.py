"""Keys as rows: what they may do, how they end, and what is kept of their secrets."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from api.key_rows import BadKey, create_key, key_table, revoke_key, rotate_key
from api.keys import Scope, Secret
from api.models import ApiKey
from tests.api.answers import error_code
from tests.api.server.calls import call, error, post, result

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.django_db(transaction=True)]

Make = Callable[..., Awaitable[Secret]]

# A request for each method that a key with the scope may make in the namespace news.
CALLS: dict[str, tuple[Scope, Any]] = {
    "publish": (Scope.PUBLISH, {"channel": "news:a", "data": 1}),
    "broadcast": (Scope.PUBLISH, {"channels": ["news:a"], "data": 1}),
    "subscribe": (Scope.SUBSCRIPTIONS, {"user": "a", "channel": "news:a"}),
    "unsubscribe": (Scope.SUBSCRIPTIONS, {"user": "a", "channel": "news:a"}),
    "disconnect": (Scope.CONNECTIONS, {"user": "a"}),
    "refresh": (Scope.CONNECTIONS, {"user": "a"}),
    "presence": (Scope.PRESENCE, {"channel": "news:a"}),
    "presence_stats": (Scope.PRESENCE, {"channel": "news:a"}),
    "history": (Scope.HISTORY, {"channel": "news:a"}),
    "history_remove": (Scope.HISTORY_REMOVE, {"channel": "news:a"}),
    "channels": (Scope.INFO, {}),
    "info": (Scope.INFO, {}),
}
WITH_TOPIC = [name for name, (_, body) in CALLS.items() if "channel" in body or "channels" in body]


@pytest.fixture
def make() -> Make:
    """make(Scope.…, namespaces=…, expires_at=…): a stored key's secret."""

    async def make(*scopes: Scope, namespaces: tuple[str, ...] = ("news",), **options: Any) -> Secret:
        _, secret = await sync_to_async(create_key)(
            name="shop", scopes=scopes or tuple(Scope), namespaces=namespaces, **options
        )
        return secret

    return make


async def is_let_in(secret: Secret) -> bool:
    return bool((await post("publish", CALLS["publish"][1], key=secret.text)).status_code == 200)


@pytest.mark.parametrize("method", CALLS)
async def test_a_key_may_what_its_scopes_say_and_nothing_else(method: str, make: Make) -> None:
    scope, body = CALLS[method]
    others = await make(*(each for each in Scope if each is not scope))
    right = await make(scope)

    code, message = await error(method, body, key=others.text)

    assert code == 103
    assert scope in message
    await result(method, body, key=right.text)


@pytest.mark.parametrize("method", WITH_TOPIC)
async def test_a_key_stays_in_its_namespaces(method: str, make: Make) -> None:
    secret = await make(namespaces=("plain", ""))
    body = CALLS[method][1]

    code, message = await error(method, body, key=secret.text)

    assert code == 103
    assert "news:a" in message


async def test_a_broadcast_with_one_foreign_topic_publishes_nothing(make: Make) -> None:
    secret = await make()

    code, _ = await error("broadcast", {"channels": ["news:a", "plain:a"], "data": 1}, key=secret.text)

    assert code == 103
    assert (await result("history", {"channel": "news:a"}))["offset"] == 0


async def test_a_batch_is_judged_command_by_command(make: Make) -> None:
    secret = await make(Scope.PUBLISH)
    commands = [
        {"publish": CALLS["publish"][1]},
        {"info": {}},
        {"publish": {"channel": "plain:a", "data": 1}},
    ]

    replies = (await call("batch", {"commands": commands}, key=secret.text))["replies"]

    assert replies[0]["publish"]["offset"] == 1
    assert [reply["error"]["code"] for reply in replies[1:]] == [103, 103]


async def test_a_key_without_namespaces_uses_no_topic(make: Make) -> None:
    secret = await make(namespaces=())

    assert (await error("publish", CALLS["publish"][1], key=secret.text))[0] == 103
    await result("info", {}, key=secret.text)


async def test_a_revoked_key_is_let_in_no_more(make: Make) -> None:
    secret = await make()
    assert await is_let_in(secret)

    await sync_to_async(revoke_key)(secret.id)

    assert error_code(await post("info", {}, key=secret.text), status=401) == "invalid_api_key"


async def test_a_deleted_key_is_let_in_no_more(make: Make) -> None:
    secret = await make()
    assert await is_let_in(secret)

    await ApiKey.objects.filter(prefix=secret.id).adelete()

    assert not await is_let_in(secret)


async def test_an_expired_key_is_let_in_no_more(make: Make) -> None:
    secret = await make(expires_at=timezone.now() + timedelta(days=1))
    assert await is_let_in(secret)
    row = await ApiKey.objects.aget(prefix=secret.id)
    assert row.state.startswith("valid until")

    row.expires_at = timezone.now()
    await row.asave()

    assert not await is_let_in(secret)
    assert row.state == "expired"


async def test_after_a_rotation_both_secrets_are_let_in_for_the_grace(make: Make) -> None:
    old = await make()

    _, new = await sync_to_async(rotate_key)(old.id, grace_seconds=60)

    assert await is_let_in(old)
    assert await is_let_in(new)
    _, newest = await sync_to_async(rotate_key)(old.id, grace_seconds=0)
    assert [await is_let_in(secret) for secret in (old, new, newest)] == [False, False, True]


async def test_a_revocation_ends_old_and_new_secret(make: Make) -> None:
    old = await make()
    _, new = await sync_to_async(rotate_key)(old.id)

    await sync_to_async(revoke_key)(old.id)

    assert [await is_let_in(secret) for secret in (old, new)] == [False, False]
    with pytest.raises(BadKey, match="is revoked"):
        await sync_to_async(rotate_key)(old.id)


async def test_the_last_use_is_noted(make: Make) -> None:
    secret = await make()
    assert (await ApiKey.objects.aget()).last_used_at is None

    assert await is_let_in(secret)
    for task in list(key_table()._stamping):
        await task

    row = await ApiKey.objects.aget()
    assert row.last_used_at is not None
    assert timezone.now() - row.last_used_at < timedelta(seconds=30)


async def test_a_secret_is_neither_stored_nor_logged(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = await make()
    random = secret.text.rpartition("_")[2]

    await post("publish", b"{", key=secret.text)
    await post("nowhere", {}, key=secret.text)
    await error("publish", {"channel": "plain:a", "data": 1}, key=secret.text)
    await post("info", {}, key=f"{secret.text}x")

    row = await ApiKey.objects.values().aget(prefix=secret.id)
    assert random not in str(row)
    assert random not in caplog.text
    assert random not in "".join(str(record.__dict__) for record in caplog.records)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"name": " "}, "no name"),
        ({"scopes": []}, "none"),
        ({"scopes": ["publish", "everything"]}, "everything"),
        ({"namespaces": ["a:b"]}, "no name of a namespace"),
        ({"expires_at": timezone.now()}, "expired already"),
    ],
)
def test_what_makes_no_key_is_refused(options: dict[str, Any], word: str) -> None:
    wanted: dict[str, Any] = {"name": "a", "scopes": ["publish"], "namespaces": ["*"], **options}

    with pytest.raises(BadKey, match=word):
        create_key(**wanted)

    assert not ApiKey.objects.exists()


def test_an_unknown_key_is_neither_rotated_nor_revoked() -> None:
    for change in (rotate_key, revoke_key):
        with pytest.raises(BadKey, match="no key 'nothing'"):
            change("nothing")
