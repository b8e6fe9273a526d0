"""The Chromium that the tests drive: found on this machine, started headless with an empty profile."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",  # Continuous integration runs as root, where Chromium refuses its sandbox.
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class ChromiumMissing(Exception):
    """There is no browser to test with. The text says how to get one."""


def find_chromium() -> str:
    """Its path: $CHROMIUM, or the first that is on PATH. Raises ChromiumMissing."""
    for name in (os.environ.get("CHROMIUM", ""), *NAMES):
        if name and (path := shutil.which(name)):
            return path
    raise ChromiumMissing(
        f"found none of {', '.join(NAMES)} on PATH, and the browser tests need one. Run `make test`, "
        "which installs it where it may, or install it (Debian: apt-get install chromium), or set "
        "CHROMIUM to its path."
    )


@asynccontextmanager
async def launch_chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_chromium(), headless=True, args=["--headless=new", *FLAGS]
        )
        try:
            yield browser
        finally:
            await browser.close()
