"""What OWASP's WebSocket cheat sheet warns of, tried against a real server."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from realtime.errors import CloseCode, ErrorCode
from tests.raw_client import RawClient, connected_client, raw_client
from tests.realtime.keys.pairs import private_pem, public_pem, rsa_key
from tests.security.conftest import API_KEY, Site
from tests.tokens import FOREIGN_SECRET, sign

# The server is started once.
pytestmark = pytest.mark.xdist_group("security")


async def connect_status(site: Site, *, origin: str | None, headers: dict[str, str]) -> int | str:
    """The HTTP status of a refused handshake, or else who the server takes the client for."""
    try:
        async with raw_client(site.server.ws, origin=origin, additional_headers=headers) as client:
            reply = await client.call(connect={})
            if "error" in reply:
                return f"error {reply['error']['code']}"
            # The token's user is what the server subscribes and stamps by; presence tells it back.
            return "connected"
    except InvalidStatus as refused:
        return refused.response.status_code


# ── Cross-site WebSocket hijacking ────────────────────────────────────────────────────────────


async def test_a_foreign_page_cannot_use_its_visitors_cookie(site: Site) -> None:
    cookie = {"Cookie": site.sign_in("alice")["Cookie"]}

    assert await connect_status(site, origin=site.server.http, headers=cookie) == "connected"
    for origin in (
        "https://evil.example",
        "null",
        "file://",
        f"{site.server.http}.evil.example",
        "http://127.0.0.1",
    ):
        assert await connect_status(site, origin=origin, headers=cookie) == 403
    # Who sends no origin is no page, and no page's cookie counts.
    assert await connect_status(site, origin=None, headers=cookie) == "error 101"


async def test_a_name_that_was_made_to_lead_here_is_no_host_of_ours(site: Site) -> None:
    rebound = {"Host": f"evil.example:{site.server.port}"}
    origin = f"http://evil.example:{site.server.port}"

    assert await connect_status(site, origin=origin, headers=rebound) == 400


# ── Tokens ────────────────────────────────────────────────────────────────────────────────────


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode()]
    encoded = [base64.urlsafe_b64encode(part).rstrip(b"=") for part in (*parts, signature)]
    return b".".join(encoded).decode()


def signed_with_the_public_key(claims: dict[str, Any]) -> str:
    """By hand: PyJWT refuses to sign with what is a key of another kind."""
    body = unsigned({"alg": "HS256", "typ": "JWT"}, claims).rpartition(".")[0]
    digest = hmac.new(public_pem(rsa_key()).encode(), body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


NOW = time.time()
CLAIMS = {"sub": "42", "exp": NOW + 3600}
FORGED = {
    "no signature": unsigned({"alg": "none"}, CLAIMS),
    "no signature, oddly written": unsigned({"alg": "nOnE"}, CLAIMS),
    "an empty signature": unsigned({"alg": "HS256"}, CLAIMS),
    "no algorithm": unsigned({}, CLAIMS),
    "an algorithm that is none": unsigned({"alg": ["HS256"]}, CLAIMS),
    "the public key as a shared secret": signed_with_the_public_key(CLAIMS),
    "another's secret": sign(sub="42", secret=FOREIGN_SECRET),
    "another's key": jwt.encode(CLAIMS, private_pem(rsa_key("stranger")), algorithm="RS256"),
    "a key of its own": jwt.encode(
        CLAIMS, FOREIGN_SECRET, algorithm="HS256", headers={"jwk": {"kty": "oct", "k": "AAAA"}}
    ),
    "a key id that is a path": jwt.encode(
        CLAIMS, FOREIGN_SECRET, algorithm="HS256", headers={"kid": "../../../../dev/null"}
    ),
    "a key id with SQL": jwt.encode(
        CLAIMS, FOREIGN_SECRET, algorithm="HS256", headers={"kid": "' OR 1=1 --"}
    ),
    "a subject that is none": sign(sub=[42]),
    "a time that is none": sign(ttl_seconds=float("inf"), sub="42"),
    "a time not come yet": sign(sub="42", nbf=NOW + 3600),
    "two dots": "..",
    "nothing like a token": "AAAA",
}


@pytest.mark.parametrize("what", FORGED)
async def test_a_forged_token_opens_nothing(site: Site, what: str) -> None:
    async with raw_client(site.server.ws) as client:
        await client.send({"id": 1, "connect": {"token": FORGED[what]}})
        closed = await client.receive_close()

    assert closed.code == CloseCode.INVALID_TOKEN
    assert not client.pushes


async def test_tokens_of_both_kinds_open_the_same_door(site: Site) -> None:
    for token in (sign(sub="42"), jwt.encode(CLAIMS, private_pem(rsa_key()), algorithm="RS256")):
        async with connected_client(site.server.ws, token=token) as client:
            await client.subscribe("open:1")


async def test_an_expired_token_is_told_apart_and_opens_nothing(site: Site) -> None:
    async with raw_client(site.server.ws) as client:
        reply = await client.call(connect={"token": sign(sub="42", ttl_seconds=-3600)})

        assert reply["error"]["code"] == ErrorCode.TOKEN_EXPIRED
        # And what comes next finds no connection.
        await client.send({"id": 2, "subscribe": {"channel": "open:1"}})
        assert (await client.receive_close()).code == CloseCode.BAD_REQUEST


async def refusal(client: RawClient, number: int) -> int:
    """The code of the error or the close that answers a command; 0 where it was carried out."""
    try:
        reply = await client.receive_reply(number)
    except ConnectionClosed as end:
        return end.rcvd.code if end.rcvd else 0
    return int(reply["error"]["code"]) if "error" in reply else 0


@pytest.mark.parametrize(
    ("claims", "topic"),
    [
        pytest.param({"sub": "42", "channel": "closed:1"}, "closed:2", id="another's topic"),
        pytest.param(
            {"sub": "42", "channel": "closed:1"}, "closed:1\u200b", id="a topic that looks the same"
        ),
        pytest.param({"sub": "43", "channel": "closed:1"}, "closed:1", id="another's name"),
        pytest.param({"sub": "42"}, "closed:1", id="a connection's token"),
        pytest.param({"sub": "42", "channels": ["closed:1"]}, "closed:1", id="a list of topics"),
        pytest.param({"channel": "closed:1"}, "closed:1", id="nobody's name"),
    ],
)
async def test_a_token_opens_its_own_topic_for_its_own_user(site: Site, claims: Any, topic: str) -> None:
    async with connected_client(site.server.ws) as client:
        await client.send({"id": 7, "subscribe": {"channel": topic, "token": sign(**claims)}})
        code = await refusal(client, 7)

    assert code in {CloseCode.INVALID_TOKEN, ErrorCode.PERMISSION_DENIED, ErrorCode.BAD_REQUEST}


async def test_a_subscription_token_opens_no_connection(site: Site) -> None:
    async with raw_client(site.server.ws) as client:
        await client.send({"id": 1, "connect": {"token": sign(sub="42", channel="closed:1")}})
        closed = await client.receive_close()

    assert closed.code == CloseCode.INVALID_TOKEN


# ── Topics of others ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "topic",
    ["closed:1", "dialog:a#43", "dialog:a#43,44", "#43", "unknown:1", "chat:nothing", "\x00control", ""],
)
async def test_topics_of_others_stay_closed(site: Site, topic: str) -> None:
    """Whatever a client asks of them: to hear, to speak, to look back, to see who is there."""
    async with connected_client(site.server.ws) as client:
        for command in ("subscribe", "publish", "history", "presence", "presence_stats"):
            request = {"channel": topic, **({"data": {}} if command == "publish" else {})}
            reply = await client.call(**{command: request})
            assert set(reply) == {"id", "error"}, (command, reply)
            assert reply["error"]["code"] in {
                ErrorCode.PERMISSION_DENIED, ErrorCode.UNKNOWN_TOPIC, ErrorCode.NOT_AVAILABLE,
                ErrorCode.BAD_REQUEST,
            }  # fmt: skip


async def test_names_of_topics_carry_nothing_but_names(site: Site) -> None:
    """Control characters, look-alikes and lines end up in no answer, log line or other topic."""
    names = [
        "open:a\r\nSet-Cookie: x=1", "open:\x00", "open:\x1b[2J", "open:" + "a" * 5000, "open:\u202egnp.exe",
        "open:*", "open:../../closed:1", "OPEN:1", "open:\ud83d\ude00", "op\u0435n:1",
    ]  # fmt: skip
    async with connected_client(site.server.ws) as client:
        for name in names:
            reply = await client.call(subscribe={"channel": name})
            assert "error" in reply or "subscribe" in reply

        # Whatever of these is a topic, it is that topic alone.
        site.call("publish", {"channel": "open:plain", "data": {"for": "nobody here"}})
        site.call("publish", {"channel": "closed:1", "data": {"for": "nobody here"}})
        assert (await client.call(rpc={"method": "no.such"}))["error"]["code"] == ErrorCode.METHOD_NOT_FOUND
        assert not [push for push in client.pushes if "pub" in push]
    lines = site.server.log.read_text().splitlines()
    assert not [line for line in lines if line.startswith("Set-Cookie")]


# ── Replays ───────────────────────────────────────────────────────────────────────────────────


async def test_a_replayed_publication_is_delivered_once(site: Site) -> None:
    request = {"channel": "open:replayed", "data": {"n": 1}, "idempotency_key": "order-1"}
    async with connected_client(site.server.ws) as client:
        await client.subscribe("open:replayed")

        answers = [site.call("publish", request) for _ in range(3)]
        other = site.call("publish", {**request, "idempotency_key": "order-2", "data": {"n": 2}})

        assert answers[0] == answers[1] == answers[2]
        assert other["result"]["offset"] == answers[0]["result"]["offset"] + 1
        pushed = [(await client.receive_push())["pub"]["data"]["n"] for _ in range(2)]
    assert pushed == [1, 2]


def test_the_api_key_of_these_tests_is_believed(site: Site) -> None:
    assert site.call("info", {})["result"]["nodes"]
    assert API_KEY not in site.server.log.read_text()
