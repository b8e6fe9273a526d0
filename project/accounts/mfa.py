"""Secrets of second factors, encrypted where they are stored: a copy of the database opens no account."""

import base64
import hashlib

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings  # noqa: TID251 -- SECRET_KEY is Django's, and rotates with its fallbacks.
from django.utils.encoding import force_bytes

_PURPOSE = b"switchboard second factors"


class EncryptedAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types.
    """By keys made of SECRET_KEY. Who changes it without SECRET_KEY_FALLBACKS loses all second factors."""

    def encrypt(self, text: str) -> str:
        return _box().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _box().decrypt(encrypted_text.encode()).decode()


def _box() -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_derive(secret)) for secret in secrets])


def _derive(secret: str | bytes) -> bytes:
    # SECRET_KEY is random already: no slow function is needed, only a key that serves nothing else.
    return base64.urlsafe_b64encode(
        hashlib.blake2b(_PURPOSE, key=force_bytes(secret)[:64], digest_size=32).digest()
    )
