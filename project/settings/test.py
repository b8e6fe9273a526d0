"""For the tests: production's checks where they matter, a database file per process, cheap passwords."""

import os
import tempfile
from pathlib import Path

from project.settings.base import *

DEBUG = False
SECRET_KEY = "test-only-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz"  # noqa: S105 -- opens nothing
REALTIME["TOKEN_HMAC_SECRET"] = "test-only-token-secret-0123456789-abcdef"  # noqa: S105 -- opens nothing
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]

# All tests of a process come from one address, and faster than any client.
REALTIME |= {
    key: "off" for key in REALTIME if key.startswith("RATE_HTTP_") and f"REALTIME_{key}" not in os.environ
}

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, since SQLite's shared in-memory databases lock whole tables between threads. Its
    # name has the process id: two runs at a time must not share it.
    DATABASES["default"]["TEST"] = {
        "NAME": Path(tempfile.gettempdir()) / f"switchboard-test-{os.getpid()}.sqlite3"
    }

# Argon2 takes 50 ms on purpose; accounts in tests need no such protection.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# As in development: static files come from where they are, and none has been collected.
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True

# Even with REDIS_URL: a test starts with no wrong passwords counted.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True
