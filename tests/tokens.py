"""Tokens for clients in tests, with whatever claims: also those that the project itself would never sign."""

import time
from typing import Any

import jwt
from django.conf import settings

FOREIGN_SECRET = "somebody-else's-secret-0123456789-abcdef"


def sign(*, ttl_seconds: float = 3600, secret: str = "", **claims: Any) -> str:
    """A token that ends `ttl_seconds` from now, signed with the tests' secret or another."""
    secret = secret or settings.REALTIME["TOKEN_HMAC_SECRET"]
    return jwt.encode({"exp": time.time() + ttl_seconds, **claims}, secret, algorithm="HS256")
