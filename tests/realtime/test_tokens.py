"""Which tokens are believed: their signatures, their times, their claims."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from realtime.errors import ConfigurationError
from realtime.keys.key import VerifyingKey, parse_pem
from realtime.keys.remote import RemoteKeys
from realtime.testing.clock import ManualClock
from realtime.tokens import (
    ConnectionClaims,
    SubscriptionClaims,
    TokenExpired,
    TokenInvalid,
    TokenSigner,
    TokenVerifier,
)
from tests.realtime.keys.pairs import ec_key, jwk, key_set, public_pem, rsa_key, sign

SECRET = "a secret of these tests, long enough for HS256"
OTHER_SECRET = "another secret of these tests, as long as that"
NOW = 1_715_000_000
clock = ManualClock(NOW)


def verifier(**options: Any) -> TokenVerifier:
    return TokenVerifier(secret=SECRET, clock=clock, **options)


def with_public_keys() -> TokenVerifier:
    keys = [parse_pem(public_pem(rsa_key())), parse_pem(public_pem(ec_key()))]
    return TokenVerifier(secret=SECRET, clock=clock, public_keys=keys)


def with_provider(
    *entries: dict[str, Any], public_keys: Sequence[VerifyingKey] = ()
) -> Callable[[str], Awaitable[ConnectionClaims]]:
    async def fetch() -> bytes:
        return key_set(*entries)

    keys = RemoteKeys(fetch=fetch, clock=clock, spawn=asyncio.ensure_future, retry_seconds=0)
    both = TokenVerifier(secret=SECRET, clock=clock, public_keys=public_keys, remote_keys=keys)

    async def verify(token: str) -> ConnectionClaims:
        await both.fetch_key(token)
        return both.verify_connection(token)

    return verify


def renamed(token: str, algorithm: str) -> str:
    """Another algorithm in the header; the rest as it was."""
    header, _, rest = token.partition(".")
    fields = json.loads(base64.urlsafe_b64decode(header + "==="))
    return f"{part(json.dumps({**fields, 'alg': algorithm}).encode())}.{rest}"


def signed(claims: object, *, secret: str = SECRET, header: dict[str, Any] | None = None) -> str:
    """As any JWT library signs, with claims that a library might refuse to sign."""
    head = header or {"alg": "HS256", "typ": "JWT"}
    signing_input = f"{part(json.dumps(head).encode())}.{part(json.dumps(claims).encode())}"
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        signing_input.encode(), secret.encode()
    )
    return f"{signing_input}.{part(signature)}"


def part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def connection(claims: dict[str, Any], **options: str) -> ConnectionClaims:
    return verifier(**options).verify_connection(signed(claims))


def subscription(claims: dict[str, Any], **options: str) -> SubscriptionClaims:
    return verifier(**options).verify_subscription(signed(claims))


# ── Signatures ────────────────────────────────────────────────────────────────────────────────


def test_a_token_signed_with_the_secret_is_believed() -> None:
    assert connection({"sub": "42"}).sub == "42"


def test_a_token_of_another_library_is_believed() -> None:
    token = jwt.encode({"sub": "42", "exp": NOW + 60}, SECRET, algorithm="HS256")

    assert verifier().verify_connection(token).sub == "42"


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(signed({"sub": "42"}, secret=OTHER_SECRET), id="another secret"),
        pytest.param(signed({"sub": "42"})[:-2] + "AA", id="a changed signature"),
        pytest.param(signed({"sub": "42"}).rpartition(".")[0] + ".", id="no signature"),
        pytest.param(signed({"sub": "42"}, header={"alg": "none"}), id="algorithm none, signed"),
        pytest.param(part(b'{"alg":"none"}') + "." + part(b'{"sub":"42"}') + ".", id="algorithm none"),
        pytest.param(part(b'{"alg":"NONE"}') + "." + part(b'{"sub":"42"}') + ".", id="algorithm NONE"),
        pytest.param(signed({"sub": "42"}, header={"alg": "RS256"}), id="RS256 in name, HMAC in fact"),
        pytest.param(signed({"sub": "42"}, header={"alg": "ES256"}), id="ES256 in name, HMAC in fact"),
        pytest.param(signed({"sub": "42"}, header={"alg": "HS512"}), id="HS512 in name"),
        pytest.param(signed({"sub": "42"}, header={"alg": "hs256"}), id="a lower case algorithm"),
        pytest.param(signed({"sub": "42"}, header={"typ": "JWT"}), id="no algorithm"),
        pytest.param(signed({"sub": "42"}, header={"alg": ["HS256"]}), id="a list of algorithms"),
        pytest.param(
            signed({"sub": "42"}, header={"alg": "HS256", "crit": ["b64"], "b64": False}),
            id="detached payload",
        ),
        pytest.param(
            jwt.encode({"sub": "42"}, SECRET + "0123456789abcdef" * 2, algorithm="HS512"), id="really HS512"
        ),
        pytest.param("", id="nothing"),
        pytest.param("..", id="dots"),
        pytest.param("a.b.c", id="no base64"),
        pytest.param("ünïcode", id="no ASCII"),
        pytest.param("x" * 5000, id="long"),
    ],
)
def test_a_token_that_was_not_signed_with_the_secret_is_not_believed(token: str) -> None:
    with pytest.raises(TokenInvalid):
        verifier().verify_connection(token)
    with pytest.raises(TokenInvalid):
        verifier().verify_subscription(token)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa_key(), "RS256"),
        (rsa_key(), "RS384"),
        (rsa_key(), "RS512"),
        (ec_key(), "ES256"),
    ],
)
def test_a_token_signed_with_the_private_key_is_believed(key: Any, algorithm: str) -> None:
    assert with_public_keys().verify_connection(sign(key, algorithm)).sub == "42"
    # Without a provider of keys, a key's name says nothing.
    assert with_public_keys().verify_connection(sign(key, algorithm, kid="a")).sub == "42"


PUBLIC_PEM = public_pem(rsa_key())


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(sign(rsa_key("other"), "RS256"), id="another RSA key"),
        pytest.param(sign(ec_key("other"), "ES256"), id="another EC key"),
        pytest.param(sign(rsa_key(), "RS256")[:-6] + "AAAAAA", id="a changed signature"),
        pytest.param(sign(rsa_key(), "RS256").rpartition(".")[0] + ".", id="no signature"),
        pytest.param(signed({"sub": "42"}, secret=PUBLIC_PEM), id="HS256 with the public key"),
        pytest.param(signed({"sub": "42"}, secret=PUBLIC_PEM.strip()), id="HS256 with its text, stripped"),
        pytest.param(
            signed({"sub": "42"}, secret=PUBLIC_PEM, header={"alg": "RS256"}),
            id="RS256 in name, HMAC in fact",
        ),
        pytest.param(signed({"sub": "42"}, header={"alg": "RS256"}), id="RS256 with the secret"),
        pytest.param(sign(rsa_key(), "PS256"), id="PS256"),
        pytest.param(renamed(sign(rsa_key(), "RS256"), "ES256"), id="ES256 in name, RSA in fact"),
        pytest.param(renamed(sign(ec_key(), "ES256"), "RS256"), id="RS256 in name, EC in fact"),
        pytest.param(renamed(sign(rsa_key(), "RS256"), "none"), id="none in name"),
        pytest.param(sign(ec_key("384", curve=ec.SECP384R1), "ES384"), id="a curve without a key"),
        pytest.param(
            sign(rsa_key("other"), "RS256", header={"jwk": jwk(rsa_key("other"), "x")}), id="a key of its own"
        ),
        pytest.param(
            sign(rsa_key("other"), "RS256", header={"jku": "http://127.0.0.1/"}), id="a URL of its own"
        ),
    ],
)
def test_a_token_that_no_public_key_verifies_is_not_believed(token: str) -> None:
    with pytest.raises(TokenInvalid):
        with_public_keys().verify_connection(token)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_without_public_keys_only_the_secret_counts(algorithm: str) -> None:
    key: Any = rsa_key() if algorithm == "RS256" else ec_key()

    with pytest.raises(TokenInvalid, match=f"no key for {algorithm}"):
        verifier().verify_connection(sign(key, algorithm))


async def test_a_provider_s_key_verifies_the_tokens_that_name_it() -> None:
    verify = with_provider(jwk(rsa_key("a"), "a"), jwk(ec_key("b"), "b"), jwk(rsa_key("c"), "c", alg="RS512"))

    for key, algorithm, kid in (
        (rsa_key("a"), "RS256", "a"),
        (ec_key("b"), "ES256", "b"),
        (rsa_key("c"), "RS512", "c"),
    ):
        assert (await verify(sign(key, algorithm, kid=kid))).sub == "42"
    for token in (
        sign(rsa_key("a"), "RS256", kid="c"),
        sign(rsa_key("c"), "RS256", kid="c"),
        renamed(sign(rsa_key("a"), "RS256", kid="b"), "ES256"),
        sign(rsa_key("a"), "RS256", kid="unknown"),
        # The provider's keys are for those who name them.
        sign(rsa_key("a"), "RS256"),
        signed({"sub": "42"}, secret=OTHER_SECRET, header={"alg": "HS256", "kid": "a"}),
    ):
        with pytest.raises(TokenInvalid):
            await verify(token)


async def test_beside_a_provider_the_settings_keys_and_the_secret_still_count() -> None:
    verify = with_provider(jwk(rsa_key("a"), "a"), public_keys=[parse_pem(PUBLIC_PEM)])

    assert (await verify(sign(rsa_key(), "RS256"))).sub == "42"
    assert (await verify(signed({"sub": "42"}))).sub == "42"
    # What its name promises, and nothing else.
    with pytest.raises(TokenInvalid):
        await verify(sign(rsa_key(), "RS256", kid="b"))


async def test_a_provider_is_not_asked_for_what_it_cannot_verify() -> None:
    async def fail() -> bytes:
        raise AssertionError("asked")

    keys = RemoteKeys(fetch=fail, clock=clock, spawn=asyncio.ensure_future)
    careful = TokenVerifier(secret=SECRET, clock=clock, remote_keys=keys)

    for token in (
        "",
        "bad",
        signed({}),
        signed({}, header={"alg": "none", "kid": "a"}),
        signed({}, header={"alg": "RS256"}),
    ):
        await careful.fetch_key(token)


def test_without_a_secret_no_token_is_believed() -> None:
    unset = TokenVerifier(secret="", clock=clock)

    with pytest.raises(TokenInvalid, match="set REALTIME"):
        unset.verify_connection(part(b'{"alg":"HS256"}') + "." + part(b'{"sub":"42"}') + ".")


# ── Times ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("verify", [connection, subscription])
def test_a_token_expires_at_its_very_second(verify: Callable[..., Any]) -> None:
    claims = {"sub": "42", **({"channel": "a"} if verify is subscription else {})}

    assert verify({**claims, "exp": NOW + 1}).expires_at == NOW + 1
    with pytest.raises(TokenExpired):
        verify({**claims, "exp": NOW})
    with pytest.raises(TokenExpired):
        verify({**claims, "exp": NOW - 3600})


def test_a_forged_token_is_invalid_rather_than_expired() -> None:
    with pytest.raises(TokenInvalid):
        verifier().verify_connection(signed({"sub": "42", "exp": NOW - 1}, secret=OTHER_SECRET))


def test_a_token_is_not_good_before_its_time() -> None:
    assert connection({"sub": "42", "nbf": NOW}).sub == "42"
    with pytest.raises(TokenInvalid, match="not valid for another 60 s"):
        connection({"sub": "42", "nbf": NOW + 60})


@pytest.mark.parametrize(
    ("claims", "expires_at"),
    [
        ({}, None),
        ({"exp": NOW + 60}, NOW + 60),
        ({"exp": NOW + 60, "expire_at": NOW + 600}, NOW + 600),
        ({"exp": NOW + 60, "expire_at": 0}, None),
        ({"expire_at": NOW + 600}, NOW + 600),
    ],
)
def test_expire_at_says_when_the_connection_ends_and_else_the_token_does(
    claims: dict[str, Any], expires_at: float | None
) -> None:
    assert connection({"sub": "42", **claims}).expires_at == expires_at


def test_clocks_may_differ_by_the_leeway() -> None:
    lenient = TokenVerifier(secret=SECRET, clock=clock, leeway_seconds=5)

    assert lenient.verify_connection(signed({"exp": NOW - 4, "nbf": NOW + 5})).expires_at == NOW - 4
    with pytest.raises(TokenExpired):
        lenient.verify_connection(signed({"exp": NOW - 5}))
    with pytest.raises(TokenInvalid):
        lenient.verify_connection(signed({"nbf": NOW + 6}))


# ── Claims ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("audience", ["chat", ["chat"], ["other", "chat"]])
def test_the_audience_must_be_among_the_tokens(audience: object) -> None:
    assert connection({"sub": "42", "aud": audience}, audience="chat").sub == "42"


@pytest.mark.parametrize("audience", ["other", ["other"], [], "chat2", None])
def test_a_token_for_another_audience_is_not_believed(audience: object) -> None:
    claims = {"sub": "42"} if audience is None else {"sub": "42", "aud": audience}

    with pytest.raises(TokenInvalid, match="audience"):
        connection(claims, audience="chat")


@pytest.mark.parametrize("claims", [{"sub": "42", "iss": "other"}, {"sub": "42"}])
def test_a_token_of_another_issuer_is_not_believed(claims: dict[str, Any]) -> None:
    assert connection({"sub": "42", "iss": "us"}, issuer="us").sub == "42"
    with pytest.raises(TokenInvalid, match="issuer"):
        connection(claims, issuer="us")


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": 42},
        {"sub": None},
        {"sub": "42", "exp": "tomorrow"},
        {"sub": "42", "exp": True},
        {"sub": "42", "nbf": []},
        {"sub": "42", "channels": "chat:lobby"},
        {"sub": "42", "channels": [1]},
        {"sub": "42", "subs": ["chat:lobby"]},
        {"sub": "42", "subs": {"chat:lobby": True}},
        {"sub": "42", "subs": {"chat:lobby": {"override": {"presence": True}}}},
        {"sub": "42", "b64info": {}},
        {"sub": "42", "aud": 5},
        ["sub"],
        "sub",
        None,
    ],
)
def test_claims_of_the_wrong_type_are_not_believed(claims: Any) -> None:
    with pytest.raises(TokenInvalid):
        connection(claims)


def test_claims_that_nobody_knows_are_passed_over() -> None:
    assert connection({"sub": "42", "roles": ["admin"]}).sub == "42"


def test_info_is_shown_as_it_stands_in_the_token() -> None:
    assert bytes(connection({"sub": "42", "info": {"name": "Ü"}}).shown_info) == b'{"name": "\\u00dc"}'


def test_b64info_is_shown_decoded_and_goes_before_info() -> None:
    claims = connection({"sub": "42", "info": {}, "b64info": base64.b64encode(b"\x00\xff").decode()})

    assert bytes(claims.shown_info) == b"\x00\xff"


@pytest.mark.parametrize("b64info", ["*", "YQ", "YQ==\n", "ü"])
def test_b64info_that_is_no_base64_is_not_believed(b64info: str) -> None:
    with pytest.raises(TokenInvalid, match="base64"):
        connection({"sub": "42", "b64info": b64info})
    with pytest.raises(TokenInvalid, match="base64"):
        connection({"sub": "42", "subs": {"chat:lobby": {"b64info": b64info}}})


def test_server_side_subscriptions_carry_info_data_and_overrides() -> None:
    options = {"info": {"a": 1}, "data": [2], "override": {"presence": {"value": True}}}
    claims = connection({"sub": "42", "channels": ["news"], "subs": {"chat:lobby": options}})

    assert claims.channels == ["news"]
    lobby = claims.subs["chat:lobby"]
    assert (bytes(lobby.chan_info), bytes(lobby.data)) == (b'{"a": 1}', b"[2]")
    assert lobby.override["presence"].value is True


# ── The two kinds ─────────────────────────────────────────────────────────────────────────────


def test_a_subscription_token_opens_no_connection() -> None:
    with pytest.raises(TokenInvalid, match="a subscription token where a connection token was expected"):
        connection({"sub": "42", "channel": "chat:lobby"})


def test_a_connection_token_opens_no_topic() -> None:
    with pytest.raises(TokenInvalid, match="without the claim 'channel'"):
        subscription({"sub": "42"})


# ── The signer ────────────────────────────────────────────────────────────────────────────────


def test_the_signers_tokens_are_believed_by_the_verifier() -> None:
    signer = TokenSigner(secret=SECRET, clock=clock, audience="chat", issuer="us")
    strict = verifier(audience="chat", issuer="us")

    token = signer.connection(user="42", ttl_seconds=60, info={"name": "Alice"}, topics=["news"])
    claims = strict.verify_connection(token)

    assert (claims.sub, claims.channels, claims.expires_at) == ("42", ["news"], NOW + 60)
    assert json.loads(bytes(claims.info)) == {"name": "Alice"}
    opened = strict.verify_subscription(signer.subscription(user="42", topic="$chat:a", ttl_seconds=60))
    assert (opened.sub, opened.channel) == ("42", "$chat:a")


def test_nothing_is_signed_without_a_secret() -> None:
    signer = TokenSigner(secret="", clock=clock)

    with pytest.raises(ConfigurationError, match="set REALTIME"):
        signer.connection(user="42", ttl_seconds=60)
