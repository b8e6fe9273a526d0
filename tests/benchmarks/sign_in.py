"""A program: makes the demo's people and rooms, and a session for one of them whose key it is given."""

import sys
from importlib import import_module

import django

# Models need what it sets up.
django.setup()

from django.conf import settings  # noqa: E402  # Once Django is set up.
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402  # Once Django is set up.
from django.contrib.auth.models import User  # noqa: E402  # Once Django is set up.
from django.core.management import call_command  # noqa: E402  # Once Django is set up.


def main(session_key: str) -> None:
    """Sign alice in, as Django's login() would."""
    call_command("demo", force=True, stdout=sys.stderr)
    user = User.objects.get(username="alice")
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    data = {
        SESSION_KEY: str(user.pk),
        BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
        HASH_SESSION_KEY: user.get_session_auth_hash(),
    }
    # A row as the store would make it, but for the key: the store chooses its own.
    store.get_model_class().objects.create(
        session_key=session_key, session_data=store.encode(data), expire_date=store.get_expiry_date()
    )


if __name__ == "__main__":
    main(sys.argv[1])
