"""A window whose sign-in is ended in another one shows the sign-in, without anybody touching it."""

import pytest
from playwright.async_api import expect

from tests.end_to_end.browser.conftest import OpenWindow

pytestmark = pytest.mark.asyncio(loop_scope="session")

END_OTHER_SESSIONS = """async () => {
    const { csrf } = await (await fetch("/api/session")).json();
    const answer = await fetch("/accounts/sessions/", { method: "POST", headers: { "X-CSRFToken": csrf } });
    return answer.ok;
}"""
# It asks for a token once, and is told that there is none for it.
REFUSED = "status of 401"


async def test_a_window_that_is_signed_out_from_another_shows_the_sign_in(open_window: OpenWindow) -> None:
    left_behind, here = await open_window(), await open_window()
    await left_behind.enter("alice")
    await here.enter("alice")
    left_behind.forgive(REFUSED)

    assert await here.page.evaluate(END_OTHER_SESSIONS)

    await expect(left_behind.by_id("sign-in-username")).to_be_visible()
    await expect(left_behind.page.get_by_text("Your session has ended")).to_be_visible()
    await here.expect_connected()
    await left_behind.sign_in("alice", "alice-demo")
    await left_behind.expect_connected()
