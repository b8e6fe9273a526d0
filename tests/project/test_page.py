"""The page's shell and the static files that it loads."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django_vite.core.asset_loader import DjangoViteAssetLoader
from pytest_django import Settings

MANIFEST = """{
    "src/main.tsx": {"file": "assets/main-1a2b3c4d.js", "isEntry": true, "css": ["assets/main-5e6f.css"]}
}"""


@pytest.fixture
def build(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for a build of the frontend, empty as yet."""
    settings.DJANGO_VITE = {"default": {"dev_mode": False, "manifest_path": tmp_path / "manifest.json"}}
    # The loader is made once per process, and keeps what it read.
    monkeypatch.setattr(DjangoViteAssetLoader, "_instance", None)
    return tmp_path


def test_the_page_loads_the_build_and_has_nothing_inline(client: Client, build: Path) -> None:
    (build / "manifest.json").write_text(MANIFEST)

    page = client.get("/")

    assert page.status_code == 200
    assert 'src="/static/assets/main-1a2b3c4d.js"' in page.text
    assert 'href="/static/assets/main-5e6f.css"' in page.text
    assert '<html lang="en">' in page.text
    assert "width=device-width" in page.text
    assert 'name="color-scheme" content="light dark"' in page.text
    assert "<style" not in page.text
    assert "<script>" not in page.text
    assert "no-store" in page.headers["Cache-Control"]


def test_a_page_that_is_not_built_says_what_to_run(client: Client, build: Path) -> None:
    page = client.get("/")

    assert page.status_code == 503
    assert "make run" in page.text


def fetch_static(client: Client, path: str, **headers: str) -> Any:
    return client.get(settings.STATIC_URL + path, headers=headers)


def test_static_files_come_with_type_and_validators(client: Client) -> None:
    answer = fetch_static(client, "admin/css/base.css")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/css")
    assert int(answer.headers["Content-Length"]) == len(answer.content) > 0
    again = fetch_static(client, "admin/css/base.css", if_none_match=answer.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")


def test_a_range_of_a_static_file_comes_alone(client: Client) -> None:
    answer = fetch_static(client, "admin/css/base.css", range="bytes=2-5")

    assert answer.status_code == 206
    assert answer.content == fetch_static(client, "admin/css/base.css").content[2:6]


def test_the_head_of_a_static_file_comes_without_its_body(client: Client) -> None:
    answer = client.head(f"{settings.STATIC_URL}admin/css/base.css")

    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    "path", ["nothing.js", "../manage.py", "%2e%2e/manage.py", "..%2f..%2fmanage.py", "admin/", "/etc/passwd"]
)
def test_nothing_else_is_reached_through_static(client: Client, path: str) -> None:
    assert fetch_static(client, path).status_code == 404


def test_static_files_are_only_read(client: Client) -> None:
    assert client.post(f"{settings.STATIC_URL}admin/css/base.css").status_code == 405
