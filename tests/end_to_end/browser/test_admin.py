"""Django's admin on the real server: an administrator looks at rooms and messages."""

import pytest
from playwright.async_api import expect

from tests.end_to_end.browser.conftest import OpenWindow, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_administrator_finds_rooms_and_messages(site: Site, open_window: OpenWindow) -> None:
    bob = await open_window()
    await bob.enter("bob")
    await bob.send("Written in the chat a moment ago")
    await expect(bob.message("Written in the chat a moment ago")).to_have_attribute("data-state", "sent")

    admin = await open_window()
    page = admin.page
    await page.goto(f"{site.server.http}/admin/")
    await page.get_by_label("User name").fill("admin")
    await page.get_by_label("Password").fill("admin-demo")
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.get_by_role("link", name="Rooms", exact=True).click()
    for name in ("Lobby", "Random", "Help"):
        await expect(page.locator("#result_list")).to_contain_text(name)

    await page.goto(f"{site.server.http}/admin/")
    await page.get_by_role("link", name="Messages", exact=True).click()
    await expect(page.locator("#result_list tbody tr")).to_have_count(10)
    await expect(page.locator("#result_list tbody tr").first).to_contain_text("Written in the chat")
    await expect(page.locator("#result_list tbody tr").first).to_contain_text("bob")


async def test_admin_is_closed_to_people_without_the_right(site: Site, open_window: OpenWindow) -> None:
    alice = await open_window()
    await alice.enter("alice")
    alice.forgive("403 (Forbidden)")

    answer = await alice.page.goto(f"{site.server.http}/admin/chat/message/")

    # Django sends her to sign in, which she is.
    assert answer is not None
    assert answer.status == 403
    await expect(alice.page.locator("#result_list")).to_have_count(0)
