"""For production: no defaults for secrets, HTTPS, compressed and hashed static files."""

from project.settings import environment
from project.settings.base import *

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
if environment.TRUST_PROXY_HEADERS.read():
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
