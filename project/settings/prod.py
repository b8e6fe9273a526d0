"""For production: no defaults for secrets, HTTPS, compressed and hashed static files."""

from project.settings import environment
from project.settings.base import *

# What is built on this module is held to what realtime/production.py demands; else it does not start.
IS_PRODUCTION = True
DEBUG = False
SECRET_KEY = environment.SECRET_KEY.read_required()
REALTIME["TOKEN_HMAC_SECRET"] = environment.TOKEN_HMAC_SECRET.read_required()
ALLOWED_HOSTS = list(environment.ALLOWED_HOSTS.read_required())

_https_only = environment.HTTPS_ONLY.read()
SECURE_SSL_REDIRECT = _https_only
# Probes come from inside, over plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_HSTS_SECONDS = environment.HSTS_SECONDS.read() if _https_only else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _https_only
SECURE_HSTS_PRELOAD = _https_only
SESSION_COOKIE_SECURE = _https_only
CSRF_COOKIE_SECURE = _https_only
if _https_only:
    # Browsers take cookies of such names only over HTTPS and for this very host: neither a page of
    # another host below the same domain nor anybody on a plain connection can plant one.
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# What is printed would stand in logs, and the links in it open accounts.
_email = environment.EMAIL_URL.read()
vars().update(email(_email, otherwise="dummy"))
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if _email else "none"
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if _https_only else "http"
