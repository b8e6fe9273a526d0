"""axe finds nothing to object to: in every state of the page, dark and light, on phones and desktops."""

from typing import Any, Literal

import pytest
from playwright.async_api import expect

from tests.end_to_end.browser.chat_window import ChatWindow
from tests.end_to_end.browser.conftest import OpenWindow
from tests.servers import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="session")

AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 800}}

_RUN_AXE = """async () => {
  // A colour on its way to another has no contrast that could be judged.
  const transitions = document.getAnimations().filter((each) => each instanceof CSSTransition);
  await Promise.allSettled(transitions.map(({ finished }) => finished));
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.map(({ id, help, nodes }) => ({
    id,
    help,
    nodes: nodes.map(({ html, any }) => `${html} ${any.map(({ message }) => message).join("; ")}`),
  }));
}"""


async def expect_accessible(window: ChatWindow) -> None:
    violations: list[dict[str, Any]] = await window.page.evaluate(_RUN_AXE)
    assert violations == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_state_of_the_page_is_accessible(
    open_window: OpenWindow, scheme: Literal["light", "dark"], size: str
) -> None:
    # The page's policy would keep axe out.
    window = await open_window(
        viewport=SIZES[size], color_scheme=scheme, reduced_motion="reduce", bypass_csp=True
    )
    await window.open()
    await window.page.add_script_tag(path=AXE)
    await expect_accessible(window)

    # Chromium reports every answer of 400 and above.
    window.forgive("401 (Unauthorized)")
    await window.sign_in("alice", "wrong")
    await expect(window.by_id("sign-in-error")).to_be_visible()
    await expect_accessible(window)

    await window.sign_in("alice", "alice-demo")
    await expect(window.by_id("room-lobby")).to_be_visible()
    await expect_accessible(window)

    await window.choose_room("lobby")
    await window.expect_connected()
    await window.send("with a link: https://example.com/")
    await expect(window.message("with a link: https://example.com/")).to_have_attribute("data-state", "sent")
    await window.write("x" * 3_600)
    await expect_accessible(window)

    if size == "phone":
        await window.by_id("show-members").click()
        await expect(window.by_id("member")).to_have_count(1)
        await expect_accessible(window)
        await window.page.keyboard.press("Escape")
        await window.by_id("back").click()
    await window.by_id("new-room").click()
    await window.by_id("new-room-submit").click()
    await expect(window.by_id("new-room-name")).to_have_attribute("aria-invalid", "true")
    await expect_accessible(window)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_page_is_accessible_while_the_server_is_away(
    open_window: OpenWindow, scheme: Literal["light", "dark"]
) -> None:
    window = await open_window(color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
    await window.enter("alice")
    await window.page.add_script_tag(path=AXE)

    window.forgive("net::ERR_INTERNET_DISCONNECTED")
    await window.page.context.set_offline(True)
    await window.send("waits")
    await expect(window.by_id("connection-banner")).to_be_visible()

    await expect_accessible(window)


async def test_theme_follows_the_system_until_the_person_chooses(open_window: OpenWindow) -> None:
    window = await open_window(color_scheme="dark")
    await window.open()
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    dark = await window.page.evaluate(ground)

    await window.by_id("theme-toggle").click()
    light = await window.page.evaluate(ground)
    assert light != dark
    await window.page.reload()
    await expect(window.by_id("sign-in-username")).to_be_visible()
    assert await window.page.evaluate(ground) == light
