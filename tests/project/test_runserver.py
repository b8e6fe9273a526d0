"""`manage.py runserver` is daphne's, and serves HTTP and WebSocket as the others do."""

import sys
from pathlib import Path

import msgspec
from websockets.sync.client import connect

from tests.servers import Server


class DevelopmentServer(Server):
    """`manage.py runserver` in the place of `manage.py serve`."""

    def _command(self) -> list[str]:
        return [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{self.port}"]


def test_runserver_connects_a_client_with_a_token(tmp_path: Path) -> None:
    server = DevelopmentServer(settings="project.settings.dev", log=tmp_path / "server.log")
    server.manage("demo", "--migrate")
    token = server.manage("token", "alice").strip()

    with server, connect(server.ws) as socket:
        socket.send(msgspec.json.encode({"id": 1, "connect": {"token": token}}).decode())
        reply = msgspec.json.decode(socket.recv(timeout=10))

    assert reply["connect"]["version"].startswith("Switchboard ")
