"""The page without a mouse: all is reached by Tab, works with Enter and Escape, and shows the focus."""

import pytest
from playwright.async_api import Locator, expect

from tests.end_to_end.browser.chat_window import ChatWindow
from tests.end_to_end.browser.conftest import OpenWindow

pytestmark = pytest.mark.asyncio(loop_scope="session")

# More than there are things to stop at.
MOST_TABS = 60

_IS_FOCUS_SHOWN = """element => {
  // The focus may be drawn around the field's box instead of the field.
  for (let each = element; each !== null && each !== document.body; each = each.parentElement) {
    const style = getComputedStyle(each);
    const hasOutline = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    if (hasOutline || style.boxShadow !== "none") return true;
  }
  return false;
}"""


async def tab_to(window: ChatWindow, target: Locator, key: str = "Tab") -> None:
    """Presses Tab until `target` has the focus, and sees that it shows."""
    await expect(target).to_be_visible()
    for _ in range(MOST_TABS):
        if await target.evaluate("element => element === document.activeElement"):
            assert await target.evaluate(_IS_FOCUS_SHOWN), f"the focus does not show on {target}"
            return
        await window.page.keyboard.press(key)
    raise AssertionError(f"{target} is not reached by {key}")


async def test_person_without_a_mouse_signs_in_talks_makes_a_room_and_leaves(open_window: OpenWindow) -> None:
    window = await open_window()
    await window.open()
    keyboard = window.page.keyboard

    # The user name has the focus from the start.
    await expect(window.by_id("sign-in-username")).to_be_focused()
    await keyboard.type("alice")
    await keyboard.press("Tab")
    await keyboard.type("alice-demo")
    await keyboard.press("Enter")
    await window.expect_connected()

    await tab_to(window, window.by_id("room-random"))
    await keyboard.press("Enter")
    await expect(window.page.get_by_role("heading", level=1)).to_have_text("Random")
    # A room that was chosen is there to write in.
    await expect(window.by_id("composer-input")).to_be_focused()
    await keyboard.type("First line")
    await keyboard.press("Shift+Enter")
    await keyboard.type("second line")
    await keyboard.press("Enter")
    await expect(window.by_id("message-text").last).to_have_text("First line\nsecond line")
    await expect(window.by_id("composer-input")).to_be_focused()

    # Escape closes the dialog, and the focus is back where it was.
    await tab_to(window, window.by_id("new-room"), "Shift+Tab")
    await keyboard.press("Enter")
    await expect(window.by_id("new-room-name")).to_be_focused()
    await keyboard.press("Escape")
    await expect(window.page.get_by_role("dialog")).to_have_count(0)
    await expect(window.by_id("new-room")).to_be_focused()

    await keyboard.press("Enter")
    await keyboard.type("By keyboard")
    await keyboard.press("Enter")
    await expect(window.page.get_by_role("heading", level=1)).to_have_text("By keyboard")

    await tab_to(window, window.by_id("sign-out"))
    await keyboard.press("Enter")
    await expect(window.by_id("sign-in-username")).to_be_focused()


async def test_tab_stays_inside_an_open_dialog(open_window: OpenWindow) -> None:
    window = await open_window()
    await window.enter("alice")
    await window.by_id("new-room").click()

    # Between the last and the first, Chromium stops at the document once.
    in_page = "document.activeElement !== document.body && !document.activeElement.closest('dialog')"
    for _ in range(10):
        await window.page.keyboard.press("Tab")
        assert not await window.page.evaluate(in_page)


async def test_tab_reaches_everything_that_can_be_used(open_window: OpenWindow) -> None:
    window = await open_window()
    await window.enter("alice")
    usable = window.page.locator("a[href], button, input, textarea, [tabindex='0']").filter(visible=True)
    wanted = set(
        await usable.evaluate_all("all => all.map((each, index) => (each.dataset.stop = `${index}`))")
    )

    reached = set()
    for _ in range(MOST_TABS):
        await window.page.keyboard.press("Tab")
        reached.add(await window.page.evaluate("document.activeElement.dataset.stop ?? null"))

    assert wanted <= reached
    # Rooms, the new room, theme, sign-out, messages, field and button are more than these.
    assert len(wanted) >= 9


async def test_skip_link_leads_to_the_message_field(open_window: OpenWindow) -> None:
    window = await open_window()
    await window.enter("alice")
    # As after a reload: the first Tab is at the top of the page.
    await window.page.evaluate("document.activeElement.blur()")
    skip = window.page.get_by_role("link", name="Skip to the message field")

    await skip.focus()
    await expect(skip).to_be_in_viewport()
    await window.page.keyboard.press("Enter")

    await expect(window.by_id("composer-input")).to_be_focused()
