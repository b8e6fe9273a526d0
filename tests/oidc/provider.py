"""Starting the provider, with one person who has an account there."""

import json
from collections.abc import Callable

from tests.servers import Server

CLIENT_ID, CLIENT_SECRET = "switchboard", "a secret of two sites"
USERNAME, PASSWORD, ADDRESS = "dora", "doras password at acme", "dora@acme.example"

_PREPARE = """
from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Client
from django.contrib.auth.models import User
from django.core.management import call_command

call_command("migrate", verbosity=0)
user = User.objects.create_user({username!r}, {address!r}, {password!r}, first_name="Dora", last_name="Acme")
EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
client = Client(id={client_id!r}, name="Switchboard", skip_consent=True)
client.set_secret({client_secret!r})
client.set_scopes(["openid", "profile", "email"])
client.set_redirect_uris({redirect_uris!r})
client.save()
"""


class Provider:
    """`redirect_uris` are the callbacks of the sites that may send people here."""

    def __init__(self, make_server: Callable[..., Server], *, redirect_uris: list[str]) -> None:
        self._server = make_server(settings="tests.oidc.settings")
        self._server.manage(
            "shell", "--no-imports", "--command",
            _PREPARE.format(
                username=USERNAME, address=ADDRESS, password=PASSWORD, client_id=CLIENT_ID,
                client_secret=CLIENT_SECRET, redirect_uris=redirect_uris,
            ),
        )  # fmt: skip
        self._server.start()

    @property
    def url(self) -> str:
        return self._server.http

    @property
    def environment(self) -> dict[str, str]:
        """What a site is told of it."""
        entry = {
            "id": "acme",
            "name": "Acme",
            "server_url": self.url,
            "client_id": CLIENT_ID,
            "secret": CLIENT_SECRET,
        }
        return {"OIDC_PROVIDERS": json.dumps([entry])}
