"""A settings module outside of the project, as a team would keep it: ours, with topics of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.raw_client import raw_client
from tests.servers import EACH_KIND, Server

SETTINGS = """
from project.settings.dev import *

REALTIME = {
    **REALTIME,
    "TOKEN_HMAC_SECRET": "a secret of the team's own, long enough to be one",
    "ALLOW_ANONYMOUS_CONNECT": True,
    "NAMESPACES": {
        "news": {"history_size": 10, "history_ttl": 60, "force_recovery": True,
                 "allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True},
    },
}
"""


@pytest.mark.parametrize("kind", EACH_KIND)
async def test_settings_outside_of_the_project_are_served(
    kind: str, start_server: Callable[..., Server], tmp_path: Path
) -> None:
    (tmp_path / "team_settings.py").write_text(SETTINGS)

    server = start_server(kind, settings="team_settings", env={"PYTHONPATH": str(tmp_path)})

    async with raw_client(server.ws) as client:
        assert "client" in await client.connect(token="")
        assert (await client.subscribe("news:today"))["recoverable"] is True
        # The features' namespaces are there as well: the chat wants somebody who is signed in.
        refused = await client.call(subscribe={"channel": "chat:lobby"})
        assert refused["error"]["code"] == 103
