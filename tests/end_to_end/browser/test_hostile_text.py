"""Texts that would be code if the page took them for HTML: it shows them as they were written."""

import pytest
from playwright.async_api import expect

from tests.end_to_end.browser.chat_window import ChatWindow
from tests.end_to_end.browser.conftest import OpenWindow, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = (
    "<script>window.isOwned = true; alert(1)</script>",
    "<img src=x onerror='window.isOwned = true; alert(1)'>",
    "<svg/onload=window.isOwned=true>",
    "javascript:window.isOwned=true",
    "<a href='javascript:window.isOwned=true'>click me</a>",
    "</p></li></ol><h1>Not a heading</h1>",
    "&lt;b&gt; &amp; {{ 7 * 7 }} ${7 * 7} %s",
)


async def expect_inert(window: ChatWindow) -> None:
    assert await window.page.evaluate("window.isOwned") is None
    for selector in ("script", "img", "a[href^=javascript]", "svg[onload]", "h1"):
        assert await window.messages.locator(selector).count() == 0


async def test_messages_are_shown_as_text_live_and_from_the_database(
    site: Site, open_window: OpenWindow
) -> None:
    alice, bob = await open_window(), await open_window()
    await alice.enter("alice", room="random")
    await bob.enter("bob", room="random")

    for text in HOSTILE:
        await alice.send(text)

    for window in (alice, bob):
        await expect(window.by_id("message-text").last).to_have_text(HOSTILE[-1])
        assert (await window.texts())[-len(HOSTILE) :] == list(HOSTILE)
        await expect_inert(window)
    await bob.page.reload()
    await expect(bob.by_id("message-text").last).to_have_text(HOSTILE[-1])
    assert await bob.texts() == site.fetch_texts("random")
    await expect_inert(bob)


async def test_only_web_addresses_become_links_and_they_give_nothing_away(open_window: OpenWindow) -> None:
    alice = await open_window()
    await alice.enter("alice", room="random")

    await alice.send("see https://example.com/a?b=c&d=<e> or javascript:alert(1) or data:text/html,<b>x</b>")

    [link] = await alice.messages.last.get_by_role("link").all()
    await expect(link).to_have_attribute("href", "https://example.com/a?b=c&d=")
    await expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
    await expect(link).to_have_attribute("target", "_blank")


async def test_names_of_people_and_rooms_are_shown_as_text(site: Site, open_window: OpenWindow) -> None:
    name = "<img src=x onerror='window.isOwned=true'>"
    site.rename("alice", name)
    alice, bob = await open_window(), await open_window()
    await alice.enter("alice")
    await bob.enter("bob")

    await expect(bob.by_id("members")).to_contain_text(name)
    await alice.by_id("composer-input").press_sequentially("x")
    await expect(bob.by_id("typing")).to_have_text(f"{name} is typing…")
    await alice.send("who am I?")
    await expect(bob.message("who am I?")).to_have_count(1)
    await alice.by_id("new-room").click()
    await alice.by_id("new-room-name").fill(name)
    await alice.by_id("new-room-description").fill(HOSTILE[0])
    await alice.by_id("new-room-submit").click()

    await expect(alice.page.get_by_role("heading", level=1)).to_have_text(name)
    await expect(bob.page.get_by_role("navigation")).to_contain_text(name)
    for window in (alice, bob):
        assert await window.page.evaluate("window.isOwned") is None
        assert await window.page.locator("img").count() == 0
