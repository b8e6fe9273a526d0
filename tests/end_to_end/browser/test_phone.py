"""The page on a phone: one thing at a time, all of it within reach of a thumb."""

from typing import Any

import pytest
from playwright.async_api import expect

from tests.end_to_end.browser.chat_window import ChatWindow
from tests.end_to_end.browser.conftest import OpenWindow

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
# The narrowest that is still in use.
SMALL_PHONE: dict[str, Any] = {**PHONE, "viewport": {"width": 320, "height": 568}}
# WCAG 2.2, 2.5.8: at least 24 by 24 pixels to hit.
LEAST_TARGET_PX = 24


async def expect_to_fit(window: ChatWindow) -> None:
    """Nothing is wider than the screen, and nothing to tap is too small."""
    excess = await window.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert excess == 0
    for button in await window.page.get_by_role("button").filter(visible=True).all():
        box = await button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= LEAST_TARGET_PX


@pytest.mark.parametrize("phone", [PHONE, SMALL_PHONE], ids=["phone", "small-phone"])
async def test_rooms_and_messages_take_turns(open_window: OpenWindow, phone: dict[str, Any]) -> None:
    window = await open_window(**phone)
    await window.open()
    await expect_to_fit(window)
    await window.by_id("sign-in-username").fill("alice")
    await window.by_id("sign-in-password").fill("alice-demo")
    await window.by_id("sign-in-submit").tap()

    await expect(window.by_id("room-lobby")).to_be_visible()
    await expect(window.by_id("messages")).to_have_count(0)
    await expect_to_fit(window)

    await window.by_id("room-lobby").tap()
    await expect(window.by_id("messages")).to_be_visible()
    await expect(window.by_id("room-lobby")).to_have_count(0)
    await window.expect_connected()
    await window.write("from a phone, " + "with a very long word: " + "x" * 200)
    await window.by_id("composer-send").tap()
    await expect(window.by_id("message-text").last).to_contain_text("from a phone")
    await expect(window.by_id("message-text").last).to_be_in_viewport()
    await expect_to_fit(window)

    await window.by_id("show-members").tap()
    await expect(window.page.get_by_role("dialog")).to_contain_text("Alice Moreau")
    await expect_to_fit(window)
    await window.page.get_by_role("button", name="Close").tap()
    await expect(window.page.get_by_role("dialog")).to_have_count(0)

    await window.by_id("back").tap()
    await expect(window.by_id("room-lobby")).to_be_visible()


async def test_phones_own_back_leads_from_the_room_to_the_rooms(open_window: OpenWindow) -> None:
    window = await open_window(**PHONE)
    await window.enter("alice", room="help")

    await window.page.go_back()

    await expect(window.by_id("room-help")).to_be_visible()
    await expect(window.by_id("messages")).to_have_count(0)


async def test_phone_that_is_turned_shows_rooms_and_messages(open_window: OpenWindow) -> None:
    window = await open_window(**PHONE)
    await window.enter("alice")
    await window.write("unfinished")

    await window.page.set_viewport_size({"width": 844, "height": 390})

    await expect(window.by_id("room-lobby")).to_be_visible()
    await expect(window.by_id("composer-input")).to_be_in_viewport()
    await expect(window.by_id("composer-input")).to_have_value("unfinished")
    await expect_to_fit(window)
