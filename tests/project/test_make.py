"""`make` on machines that lack something: one clear line each, and nothing happens."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHELL_TOOLS = (
    "sh",
    "make",
    "awk",
    "find",
    "id",
    "touch",
    "rm",
    "printf",
    "cat",
    "git",
    "grep",
    "env",
    "cp",
    "mkdir",
    "cksum",
)


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A PATH with a shell's usual tools, but neither Python nor Node nor a browser."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in SHELL_TOOLS:
        found = shutil.which(tool)
        if found is not None:
            (folder / tool).symlink_to(found)
    return folder


@pytest.fixture
def used_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def put_program(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def need(*arguments: str, path: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", ".make/need.sh", *arguments],
        cwd=ROOT,
        env={**os.environ, "PATH": str(path or os.environ["PATH"]), "PYTHON": "", "CHROMIUM": "", **env},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def the_one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.rstrip("\n")


def test_no_python_is_told(bare_path: Path) -> None:
    assert the_one_line(need("python", path=bare_path)) == (
        "Switchboard needs Python 3.11 or newer; found none. Install it from python.org and run make again."
    )


def test_an_old_python_is_told(bare_path: Path) -> None:
    # It prints its version for the first question and fails the second, as Python 3.9 would.
    put_program(bare_path, "python3", 'case "$2" in *print*) echo 3.9.2 ;; *) exit 1 ;; esac')

    assert the_one_line(need("python", path=bare_path)).startswith(
        "Switchboard needs Python 3.11 or newer; found 3.9.2."
    )


def test_a_newer_python_beside_an_old_one_is_found(bare_path: Path) -> None:
    put_program(bare_path, "python3", 'case "$2" in *print*) echo 3.9.2 ;; *) exit 1 ;; esac')
    put_program(bare_path, "python3.12", "echo 3.12.0")

    done = need("python", path=bare_path)

    assert (done.returncode, done.stdout) == (0, "python3.12\n")


def test_a_python_that_cannot_make_environments_is_told(bare_path: Path, tmp_path: Path) -> None:
    put_program(bare_path, "python3", 'case "$1" in -m) echo "long story" >&2; exit 1 ;; esac; echo 3.11.2')

    done = need("packages", str(tmp_path / "venv"), "requirements.txt", path=bare_path)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "apt-get install python3-venv" in done.stderr
    assert not (tmp_path / "venv").exists()


@pytest.fixture
def fake_python(bare_path: Path) -> Path:
    """A Python that makes environments of itself, and whose pip writes down that it was called."""
    pip_log = bare_path.parent / "pip.log"
    put_program(
        bare_path,
        "python3",
        f"""case "$*" in
            "-m venv "*) mkdir -p "$3/bin"; cp "{bare_path}/python3" "$3/bin/python" ;;
            *"pip "*install*) echo "$*" >> "{pip_log}" ;;
        esac""",
    )
    return pip_log


def install(bare_path: Path, venv: Path) -> subprocess.CompletedProcess[str]:
    done = need("packages", str(venv), "requirements-dev.txt", "requirements.txt", path=bare_path)
    assert done.returncode == 0, done.stderr
    return done


def test_packages_are_installed_once_with_their_hashes(
    bare_path: Path, fake_python: Path, tmp_path: Path
) -> None:
    first = install(bare_path, tmp_path / "venv")
    second = install(bare_path, tmp_path / "venv")

    assert "Installing Python packages" in first.stdout
    assert second.stdout == ""
    (call,) = fake_python.read_text().splitlines()
    assert call.endswith("install --require-hashes -r requirements-dev.txt")
    # What the larger lock covers is installed with it.
    assert need("packages", str(tmp_path / "venv"), "requirements.txt", path=bare_path).stdout == ""


def test_packages_are_installed_again_when_the_environment_broke(
    bare_path: Path, fake_python: Path, tmp_path: Path
) -> None:
    install(bare_path, tmp_path / "venv")
    (tmp_path / "venv" / "bin" / "python").unlink()

    assert "Creating the Python environment" in install(bare_path, tmp_path / "venv").stdout
    assert len(fake_python.read_text().splitlines()) == 2


def test_packages_are_installed_again_when_the_lock_changed(
    bare_path: Path, fake_python: Path, tmp_path: Path
) -> None:
    install(bare_path, tmp_path / "venv")
    (tmp_path / "venv" / ".installed-requirements-dev.txt").write_text("an older sum")

    assert "Installing Python packages" in install(bare_path, tmp_path / "venv").stdout


def test_no_node_is_told(bare_path: Path) -> None:
    assert the_one_line(need("node", path=bare_path)) == (
        "Switchboard needs Node 20.19 or newer; found none. Install it from nodejs.org and run make again."
    )


def test_an_old_node_is_told(bare_path: Path) -> None:
    put_program(bare_path, "node", 'case "$1" in --version) echo v18.19.0 ;; *) exit 1 ;; esac')

    assert the_one_line(need("node", path=bare_path)).startswith(
        "Switchboard needs Node 20.19 or newer; found v18.19.0."
    )


def test_node_without_npm_is_told(bare_path: Path) -> None:
    put_program(bare_path, "node", "echo v22.12.0")

    assert "without it" in the_one_line(need("node", path=bare_path))


def test_a_port_in_use_is_told_with_another(used_port: int) -> None:
    assert the_one_line(need("port", "127.0.0.1", str(used_port))) == (
        f"Port {used_port} on 127.0.0.1 is in use. Stop what uses it, or take another: "
        f"make run PORT={used_port + 1}"
    )


def test_an_old_python_is_told_before_the_port_is_looked_at(bare_path: Path) -> None:
    put_program(bare_path, "python3", 'case "$2" in *print*) echo 3.9.2 ;; *) exit 1 ;; esac')

    assert "found 3.9.2" in the_one_line(need("port", "127.0.0.1", "8000", path=bare_path))


@pytest.mark.parametrize("port", ["", "x", "0", "65536", "-1"])
def test_a_port_that_is_none_is_told(port: str) -> None:
    assert "expected a number from 1 to 65535" in the_one_line(need("port", "127.0.0.1", port))


def test_an_address_that_is_not_ours_is_told() -> None:
    # RFC 5737, section 3: no machine has this one.
    assert the_one_line(need("port", "192.0.2.1", "8000")).startswith("Cannot listen on 192.0.2.1 port 8000")


def test_no_browser_is_told_to_who_may_not_install_one(bare_path: Path) -> None:
    (bare_path / "id").unlink()
    put_program(bare_path, "id", "echo 1000")

    assert the_one_line(need("chromium", path=bare_path)).startswith(
        "The browser tests need Chromium; found none."
    )


def test_a_browser_is_installed_where_that_may_be(bare_path: Path) -> None:
    (bare_path / "id").unlink()
    put_program(bare_path, "id", "echo 0")
    installed = bare_path / "chromium"
    # Any program will do: `sh` is one that can be run.
    put_program(bare_path, "apt-get", f'[ "$1" != install ] || cp "{bare_path}/sh" "{installed}"')

    done = need("chromium", path=bare_path)

    assert (done.returncode, done.stdout) == (0, f"{installed}\n")


def test_a_named_browser_is_taken(bare_path: Path) -> None:
    put_program(bare_path, "my-browser", "")

    done = need("chromium", path=bare_path, CHROMIUM=str(bare_path / "my-browser"))

    assert done.stdout == f"{bare_path / 'my-browser'}\n"


def test_make_run_stops_at_what_is_missing_before_it_installs_anything(bare_path: Path) -> None:
    done = subprocess.run(
        ["make", "run"],
        cwd=ROOT,
        env={"PATH": str(bare_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode != 0
    assert done.stdout == ""
    told, *rest = done.stderr.splitlines()
    assert told.startswith("Switchboard needs Node")
    # Make's own word for a failed step; it cannot be kept from saying it.
    assert all(line.startswith("make: ***") for line in rest)


def test_make_alone_lists_every_command() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)

    for command in ("setup", "run", "test", "check", "bench", "lock", "clean"):
        assert f"  make {command} " in done.stdout


@pytest.mark.parametrize("target", ["setup", "run", "test", "check", "bench", "lock", "docs", "clean"])
def test_every_command_can_be_made(target: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 0, done.stderr


def test_the_locks_have_hashes_and_no_addresses() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = (ROOT / name).read_text().splitlines()
        pins = [line for line in lines if line and line[0].isalnum()]

        assert pins
        assert all("==" in pin and pin.endswith("\\") for pin in pins)
        assert not [line for line in lines if "://" in line or line.startswith("-")]


def test_no_file_names_a_registry_or_a_persons_folder() -> None:
    done = subprocess.run(
        ["sh", ".make/addresses.sh"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 0, done.stdout
