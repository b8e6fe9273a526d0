"""For a developer's own machine: debug pages, plain HTTP, secrets that everybody knows."""

from project.settings import environment
from project.settings.base import *

DEBUG = True
SECRET_KEY = environment.SECRET_KEY.read() or "django-insecure-development-only-0123456789-abcdefghijklmnop"
REALTIME["TOKEN_HMAC_SECRET"] = (
    environment.TOKEN_HMAC_SECRET.read() or "development-only-token-secret-0123456789"
)
# With DEBUG on, an empty list means the names of this machine. Who serves on another address, for
# a phone in the same network, will not know by which name it asks.
ALLOWED_HOSTS = list(environment.ALLOWED_HOSTS.read())
if not ALLOWED_HOSTS and environment.HOST.read() not in {"127.0.0.1", "::1", "localhost"}:
    ALLOWED_HOSTS = ["*"]

# Without a mail server, what would be sent is printed.
vars().update(email(environment.EMAIL_URL.read(), otherwise="console"))
# Passkeys over plain HTTP, which browsers allow at http://localhost only.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True
