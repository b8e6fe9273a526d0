"""One public key, bound to the algorithms that it may verify. Where it comes from is others' to say.

A token names its algorithm itself, so that the name alone must never decide: RSA verifies RS256 and
its kin, an elliptic curve the one algorithm made for it, and nothing here is ever a shared secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from realtime.errors import ConfigurationError

RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512"})
# RFC 7518, section 3.4: each hash goes with one curve.
_ALGORITHM_OF_CURVE = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
ECDSA_ALGORITHMS = frozenset(_ALGORITHM_OF_CURVE.values())
PUBLIC_KEY_ALGORITHMS = RSA_ALGORITHMS | ECDSA_ALGORITHMS

# RFC 7518, section 3.3.
MIN_RSA_BITS = 2048
# Verifying takes longer with the cube of it; beyond this one token costs milliseconds.
MAX_RSA_BITS = 8192

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey


class KeyUnusable(ValueError):
    """No public key, or one of a kind that verifies no token here. The text says which."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    key: PublicKey
    algorithms: frozenset[str]

    @classmethod
    def of(cls, key: object) -> "VerifyingKey":
        """Raises KeyUnusable."""
        match key:
            case RSAPublicKey():
                if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
                    raise KeyUnusable(
                        f"an RSA key of {key.key_size} bits, expected {MIN_RSA_BITS} to {MAX_RSA_BITS}"
                    )
                return cls(key, RSA_ALGORITHMS)
            case EllipticCurvePublicKey():
                algorithm = _ALGORITHM_OF_CURVE.get(key.curve.name)
                if algorithm is None:
                    raise KeyUnusable(f"a key on the curve {key.curve.name}, expected P-256, P-384 or P-521")
                return cls(key, frozenset({algorithm}))
            case _:
                raise KeyUnusable(f"a key of type {type(key).__name__}, expected a public RSA or EC key")


def parse_pem(text: str) -> VerifyingKey:
    """A public key in PEM. Raises ConfigurationError, with nothing of the text in it."""
    try:
        return VerifyingKey.of(load_pem_public_key(text.encode()))
    except KeyUnusable as error:
        raise ConfigurationError(str(error)) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Not chained: a private key put there by mistake must not end up in a log.
        raise ConfigurationError(
            "not a public key in PEM ('-----BEGIN PUBLIC KEY-----' and the lines after it)"
        ) from None


def parse_jwk(jwk: Mapping[str, Any]) -> tuple[str, VerifyingKey]:
    """The id and the key of one entry of a JSON Web Key Set. Raises KeyUnusable."""
    kid = jwk.get("kid")
    if not isinstance(kid, str) or not kid:
        raise KeyUnusable("a key without an id")
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ("verify",)):
        raise KeyUnusable("a key that is not for signatures")
    if jwk.get("kty") not in ("RSA", "EC"):
        # Symmetric ones ("oct") above all: what a URL hands out is no secret.
        raise KeyUnusable("a key of a type that is not used here")
    try:
        verifying = VerifyingKey.of(jwt.PyJWK(dict(jwk)).key)
    except (
        jwt.PyJWTError, ValueError, TypeError, KeyError, UnsupportedAlgorithm, NotImplementedError,
    ) as error:  # fmt: skip
        raise KeyUnusable(f"a key that cannot be read: {type(error).__name__}") from error
    named = jwk.get("alg")
    if named is None:
        return kid, verifying
    if named not in verifying.algorithms:
        raise KeyUnusable("a key whose 'alg' is not for its type")
    return kid, VerifyingKey(verifying.key, frozenset({named}))
