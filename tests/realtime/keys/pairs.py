"""Key pairs of the tests, and what a provider would publish of them."""

import json
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@cache
def rsa_key(name: str = "a", *, bits: int = 2048) -> rsa.RSAPrivateKey:
    """The same for the same name: making one takes a while."""
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(name: str = "a", *, curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


def public_pem(key: PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key: PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kid: str, **more: Any) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        fields = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        fields = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    fields.pop("key_ops", None)
    return {**fields, "kid": kid, **more}


def key_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def sign(
    key: PrivateKey | str,
    algorithm: str,
    *,
    kid: str = "",
    header: dict[str, Any] | None = None,
    **claims: Any,
) -> str:
    headers = {**(header or {}), **({"kid": kid} if kid else {})}
    return jwt.encode({"sub": "42", **claims}, key, algorithm=algorithm, headers=headers)
