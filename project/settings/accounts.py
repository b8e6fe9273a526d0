"""What django-allauth is told: how people sign up and sign in. base.py takes all of it.

Nobody may learn here whether an address has an account, and nobody may try passwords for long.
"""

from collections.abc import Sequence
from typing import Any

from project.settings import environment

# Knows user names and e-mail addresses; permissions come from Django's ModelBackend, which it is built on.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "page"
LOGOUT_REDIRECT_URL = "page"

ACCOUNT_ADAPTER = "project.accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "project.accounts.forms.LoginForm",
    "signup": "project.accounts.forms.SignupForm",
    "change_password": "project.accounts.forms.ChangePasswordForm",
    "reset_password_from_key": "project.accounts.forms.ResetPasswordKeyForm",
}
ACCOUNT_LOGIN_METHODS = {"username", "email"}
# One password field: browsers and password managers fill it in, and it can be reset.
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*"]
ACCOUNT_USERNAME_MIN_LENGTH = 2
ACCOUNT_MAX_EMAIL_ADDRESSES = 5
# A session lasts two weeks (SESSION_COOKIE_AGE), as one by /api/session does; nobody is asked.
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Switchboard: "
ACCOUNT_EMAIL_NOTIFICATIONS = True
# Signing up with an address that is taken looks like signing up with one that is free, also where
# addresses need not be confirmed; only who can read its mail confirms it.
ACCOUNT_PREVENT_ENUMERATION = "strict"
# The link in the e-mail shows a button: mail scanners follow links.
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
# A session that somebody left open changes neither addresses nor second factors.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
# Beside allauth's own: 30 sign-ins a minute and address, 5 wrong passwords in 5 minutes for an
# account, 10 a minute for an address. They are counted in CACHES.
ACCOUNT_RATE_LIMITS: dict[str, str] = {}

# Before an address is confirmed nobody signs in with it, where e-mail can be sent at all.
ACCOUNT_EMAIL_VERIFICATION = "optional"

MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Switchboard"
# A phone's clock may be off by half a minute.
MFA_TOTP_TOLERANCE = 1
MFA_ADAPTER = "project.accounts.mfa.EncryptedAdapter"

# Endpoints for apps only; the page has /api/session.
HEADLESS_CLIENTS = ("app",)

EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = environment.EMAIL_FROM.read()


def email(config: environment.Email | None, *, otherwise: str) -> dict[str, Any]:
    """Django's settings for sending e-mail by `config`, or by the backend `otherwise`."""
    if config is None:
        return {"EMAIL_BACKEND": f"django.core.mail.backends.{otherwise}.EmailBackend"}
    return {
        "EMAIL_BACKEND": f"django.core.mail.backends.{config.backend}.EmailBackend",
        "EMAIL_HOST": config.host,
        "EMAIL_PORT": config.port,
        "EMAIL_HOST_USER": config.user,
        "EMAIL_HOST_PASSWORD": config.password,
        "EMAIL_USE_TLS": config.security == "starttls",
        "EMAIL_USE_SSL": config.security == "tls",
    }


# --- Other providers ----------------------------------------------------------------------------


def oidc_apps(providers: Sequence[environment.OidcProvider]) -> list[dict[str, Any]]:
    """The entries of SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"]."""
    return [
        {
            "provider_id": provider.id,
            "name": provider.name,
            "client_id": provider.client_id,
            "secret": provider.secret,
            "settings": {"server_url": provider.server_url},
        }
        for provider in providers
    ]


SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": oidc_apps(environment.OIDC_PROVIDERS.read()),
    }
}
SOCIALACCOUNT_OPENID_CONNECT_URL_PREFIX = "oidc"
# An account's password is no secret to its provider's administrators; theirs opens no account here
# until its owner connects the two.
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_QUERY_EMAIL = True
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10
