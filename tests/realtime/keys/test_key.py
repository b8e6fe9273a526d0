"""Which keys are taken from settings and key sets, and what each of them verifies."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from realtime.errors import ConfigurationError
from realtime.keys.key import KeyUnusable, parse_jwk, parse_pem
from tests.realtime.keys.pairs import ec_key, jwk, private_pem, public_pem, rsa_key


@pytest.mark.parametrize(
    ("pem", "algorithms"),
    [
        (public_pem(rsa_key()), {"RS256", "RS384", "RS512"}),
        (public_pem(ec_key()), {"ES256"}),
        (public_pem(ec_key(curve=ec.SECP384R1)), {"ES384"}),
        (public_pem(ec_key(curve=ec.SECP521R1)), {"ES512"}),
    ],
    ids=["RSA", "P-256", "P-384", "P-521"],
)
def test_a_key_verifies_the_algorithms_of_its_type_alone(pem: str, algorithms: set[str]) -> None:
    assert parse_pem(pem).algorithms == algorithms


@pytest.mark.parametrize(
    ("pem", "text"),
    [
        ("", "not a public key in PEM"),
        ("a secret", "not a public key in PEM"),
        (private_pem(rsa_key()), "not a public key in PEM"),
        (public_pem(rsa_key(bits=1024)), "1024 bits"),
        (public_pem(ec_key(curve=ec.SECP256K1)), "secp256k1"),
        (public_pem(ed25519.Ed25519PrivateKey.generate()), "expected a public RSA or EC key"),
    ],
    ids=["nothing", "no PEM", "private", "short RSA", "another curve", "Ed25519"],
)
def test_other_keys_are_refused_and_not_repeated(pem: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text) as caught:
        parse_pem(pem)

    assert "MII" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_key_of_a_set_has_an_id_and_may_name_one_algorithm() -> None:
    kid, key = parse_jwk(jwk(rsa_key(), "a", alg="RS512", use="sig"))

    assert kid == "a"
    assert key.algorithms == {"RS512"}
    assert parse_jwk(jwk(ec_key(), "b", key_ops=["verify"]))[1].algorithms == {"ES256"}


@pytest.mark.parametrize(
    "entry",
    [
        jwk(rsa_key(), ""),
        jwk(rsa_key(), 5),  # type: ignore[arg-type]  # As a stranger may write it.
        jwk(rsa_key(), "a", use="enc"),
        jwk(rsa_key(), "a", key_ops=["encrypt"]),
        jwk(rsa_key(), "a", alg="ES256"),
        jwk(rsa_key(), "a", alg="HS256"),
        jwk(rsa_key(), "a", alg="none"),
        jwk(ec_key(), "a", alg="RS256"),
        jwk(rsa_key(bits=1024), "a"),
        {**jwk(rsa_key(), "a"), "n": "AQAB"},
        {**jwk(ec_key(), "a"), "y": jwk(ec_key("b"), "b")["y"]},
        {**jwk(ec_key(), "a"), "crv": "secp256k1"},
        {"kty": "oct", "kid": "a", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"},
        {"kty": "oct", "kid": "a", "alg": "RS256", "k": "c2VjcmV0"},
        {"kty": "OKP", "kid": "a", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kid": "a"},
        {},
    ],
)
def test_what_is_no_key_for_tokens_is_passed_over(entry: dict[str, Any]) -> None:
    with pytest.raises(KeyUnusable):
        parse_jwk(entry)


def test_a_private_key_in_a_set_verifies_no_token() -> None:
    private = {**jwk(rsa_key(), "a"), "d": "AQAB"}

    with pytest.raises(KeyUnusable):
        parse_jwk(private)
