"""README's examples, run as they stand there: against a real server, or inside Django."""

import os
import re
import shutil
import subprocess
import sys
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
import pytest

from realtime import revocation
from realtime.caller import Caller
from realtime.hooks import Hooks
from realtime.outbox.models import OutboxRow
from realtime.rpc import methods
from realtime.topics.registry import namespaces
from tests.servers import ROOT, Server

README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"<!-- tested: (?P<name>\w+) -->\n```\w+\n(?P<code>.*?)```", re.DOTALL)
EXAMPLES = {match["name"]: match["code"] for match in EXAMPLE.finditer(README)}


@pytest.fixture(scope="module")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the demo's accounts, as `make run` starts it."""
    log = tmp_path_factory.mktemp("readme") / "server.log"
    server = Server("serve", settings="project.settings.dev", log=log)
    server.manage("demo", "--migrate")
    with server:
        yield server


@pytest.fixture
def token(demo_server: Server) -> str:
    return demo_server.manage("token", "alice").strip()


def aim_at(server: Server, code: str) -> str:
    assert "ws://127.0.0.1:8000/connection/websocket" in code
    return code.replace("ws://127.0.0.1:8000/connection/websocket", server.ws)


def test_the_python_example_prints_the_message_that_it_sends(
    demo_server: Server, token: str, tmp_path: Path
) -> None:
    script = tmp_path / "example.py"
    script.write_text(aim_at(demo_server, EXAMPLES["python"]), encoding="utf-8")

    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "TOKEN": token}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+ Hello from Python\n", done.stdout)


def test_the_javascript_example_prints_the_message_that_it_sends(demo_server: Server, token: str) -> None:
    node = shutil.which("node")
    assert node is not None, "Node is needed; `make setup` says which"
    # An example that stays connected never ends, so it ends with its first line. Node 20 has the
    # browser's WebSocket behind a flag.
    code = aim_at(demo_server, EXAMPLES["javascript"])
    ending = "\nlobby.on('publication', () => setTimeout(() => process.exit(0)));\n"
    script = code.replace("lobby.subscribe();", ending + "lobby.subscribe();")

    done = subprocess.run(
        [node, "--experimental-websocket", "--no-warnings", "--input-type=module", "--eval", script],
        cwd=ROOT / "frontend", env={**os.environ, "TOKEN": token},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+ Hello from JavaScript\n", done.stdout)


def test_the_settings_example_works_from_outside_the_project(tmp_path: Path) -> None:
    (tmp_path / "my_settings.py").write_text(EXAMPLES["settings"], encoding="utf-8")
    server = Server(settings="my_settings", env={"PYTHONPATH": str(tmp_path)}, log=tmp_path / "log")
    code = (
        "from realtime.topics.name import TopicName\n"
        "from realtime.runtime import get_runtime\n"
        "print(get_runtime().node.namespaces.get_for(TopicName.parse('news:today')).history_size)\n"
    )

    printed = server.manage("shell", "--no-imports", "--command", code)

    assert printed.strip() == "100"


def test_the_sentinel_example_makes_a_layer_that_asks_sentinels(tmp_path: Path) -> None:
    (tmp_path / "my_settings.py").write_text(EXAMPLES["sentinel"], encoding="utf-8")
    env = {"PYTHONPATH": str(tmp_path), "ALLOWED_HOSTS": "example.com"}
    for name in ("SECRET_KEY", "REALTIME_TOKEN_HMAC_SECRET"):
        env[name] = "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    server = Server(settings="my_settings", env=env, log=tmp_path / "log")
    code = (
        "import asyncio\n"
        "from realtime.runtime import get_runtime\n"
        "async def show():\n"
        "    for shard in get_runtime().layer.shards:\n"
        "        print(type(shard._commands._pool).__name__)\n"
        "asyncio.run(show())\n"
    )

    printed = server.manage("shell", "--no-imports", "--command", code)

    assert printed.strip() == "SentinelConnectionPool"


@pytest.fixture
def restored_registries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "_namespaces", dict(namespaces._namespaces))
    monkeypatch.setattr(methods, "_methods", dict(methods._methods))


@pytest.mark.usefixtures("restored_registries")
async def test_the_rpc_example_answers_and_refuses_what_does_not_fit() -> None:
    exec(compile(EXAMPLES["rpc"], "README.md", "exec"), {})  # noqa: S102  # Our own README.
    hooks = Hooks(run_blocking=call_at_once)

    answer = await methods.call(hooks, Caller(user="42", client="c"), "math.add", b'{"a": 1, "b": 2}')

    assert msgspec.json.decode(answer) == {"sum": 3}


@pytest.mark.usefixtures("restored_registries")
def test_the_namespace_example_registers_its_namespace_and_the_rows_of_its_rule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models, watched = ModuleType("teams.models"), {}
    vars(models)["Membership"] = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "teams.models", models)
    monkeypatch.setitem(sys.modules, "teams", _module_at(ROOT))
    monkeypatch.setattr(revocation, "recheck_on", lambda model, **options: watched.update({"of": options}))
    scope: dict[str, Any] = {}
    exec(compile(EXAMPLES["namespace"], "README.md", "exec"), scope)  # noqa: S102  # Our own README.

    scope["TeamsConfig"]("teams", _module_at(ROOT)).ready()

    assert namespaces._namespaces["team"].can_subscribe is scope["is_member"]
    assert watched["of"]["namespaces"] == ["team"]
    assert watched["of"]["users"](SimpleNamespace(user_id=7)) == [7]


@pytest.mark.django_db(transaction=True)
def test_the_rules_example_passes() -> None:
    scope: dict[str, Any] = {"__name__": "readme"}
    exec(compile(EXAMPLES["rules"], "README.md", "exec"), scope)  # noqa: S102  # Our own README.

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(scope["RoomRules"]).run(result)

    assert (result.testsRun, result.errors, result.failures) == (1, [], [])


@pytest.mark.django_db
def test_the_publish_example_leaves_what_it_says_to_the_relay() -> None:
    scope: dict[str, Any] = {}
    exec(compile(EXAMPLES["publish"], "README.md", "exec"), scope)  # noqa: S102  # Our own README.

    scope["rename_team"](SimpleNamespace(slug="red", save=lambda: None), "Blue")

    [row] = OutboxRow.objects.all()
    assert (row.topic, bytes(row.data)) == ("team:red", b'{"type":"renamed","name":"Blue"}')


async def call_at_once(function: Callable[..., Any], *arguments: object) -> Any:
    return function(*arguments)


def _module_at(folder: Path) -> ModuleType:
    module = ModuleType("teams")
    module.__path__ = [str(folder)]
    return module


@pytest.fixture(scope="module")
def news_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """A server with the settings of the example, and a key for it."""
    folder = tmp_path_factory.mktemp("news")
    (folder / "my_settings.py").write_text(EXAMPLES["settings"], encoding="utf-8")
    server = Server(settings="my_settings", env={"PYTHONPATH": str(folder)}, log=folder / "server.log")
    [command] = re.findall(r"^KEY=\$\(\S+ manage\.py (.*)\)$", README, re.MULTILINE)
    # In one process: each takes a second to begin.
    code = (
        "from django.core.management import call_command\n"
        "call_command('migrate', verbosity=0)\n"
        f"call_command(*{command.split()!r})\n"
    )
    key = server.manage("shell", "--no-imports", "--command", code).split()[-1]
    with server:
        yield server, key


@pytest.mark.parametrize(
    ("example", "program", "printed"),
    [
        ("curl", ["sh", "-c"], r'\{"result":\{"offset":\d+,"epoch":".+"\}\}'),
        ("cent", [sys.executable, "-c"], r"\{'n': 1\}\n"),
    ],
)
def test_the_examples_of_the_server_api_publish(
    example: str, program: list[str], printed: str, news_server: tuple[Server, str]
) -> None:
    assert example != "curl" or shutil.which("curl"), "this example needs curl: install it"
    server, key = news_server
    code = EXAMPLES[example].replace("http://127.0.0.1:8000", server.http)
    assert server.http in code

    done = subprocess.run(
        [*program, code],
        env={**os.environ, "KEY": key}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert re.fullmatch(printed, done.stdout)
