"""The provider's settings."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from project.security_headers import DIRECTIVES
from project.settings.test import *  # noqa: F403  # Settings are built on settings.

INSTALLED_APPS += ["allauth.idp.oidc"]  # noqa: F405  # Likewise.
ROOT_URLCONF = "tests.oidc.urls"
# In a browser both sites are this machine, whose ports share cookies.
SESSION_COOKIE_NAME = "provider-session"
CSRF_COOKIE_NAME = "provider-csrf"
# Its forms lead back to the sites that sent people here.
CONTENT_SECURITY_POLICY = {"DIRECTIVES": {**DIRECTIVES, "form-action": ["*"]}}
IDP_OIDC_PRIVATE_KEY = (
    rsa.generate_private_key(public_exponent=65537, key_size=2048)
    .private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    .decode()
)
