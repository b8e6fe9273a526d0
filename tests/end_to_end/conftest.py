"""One browser for all tests of a process: it starts with the first that needs it."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from tests.end_to_end.browser.chromium import launch_chromium


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Tests that use it run on the session's loop: `pytest.mark.asyncio(loop_scope="session")`."""
    async with launch_chromium() as browser:
        yield browser
