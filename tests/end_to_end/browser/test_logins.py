"""A browser's sign-in and its sockets: opened by cookie, ended at sign-out, here or in another window."""

import pytest
from playwright.async_api import expect

from tests.end_to_end.browser.conftest import OpenWindow

pytestmark = pytest.mark.asyncio(loop_scope="session")

END_OTHER_SESSIONS = """async () => {
    const { csrf } = await (await fetch("/api/session")).json();
    const answer = await fetch("/accounts/sessions/", { method: "POST", headers: { "X-CSRFToken": csrf } });
    return answer.ok;
}"""
# Without an SDK and without a token: what the browser itself sends along must do.
OPEN_BY_COOKIE = """() => new Promise((resolve) => {
    const url = location.origin.replace(/^http/, "ws") + "/connection/websocket";
    const socket = new WebSocket(url);
    window.socketClosed = new Promise((tell) => { socket.onclose = ({ code }) => tell(code); });
    socket.onopen = () => socket.send('{"id": 1, "connect": {}}');
    socket.onmessage = ({ data }) => resolve(JSON.parse(data));
})"""
SIGN_OUT = """async () => {
    const { csrf } = await (await fetch("/api/session")).json();
    const answer = await fetch("/api/session", { method: "DELETE", headers: { "X-CSRFToken": csrf } });
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


async def test_a_page_connects_by_its_cookie_until_it_signs_out(open_window: OpenWindow) -> None:
    window = await open_window()
    await window.enter("alice")
    window.forgive(REFUSED)

    reply = await window.page.evaluate(OPEN_BY_COOKIE)
    assert reply["connect"]["client"]

    assert await window.page.evaluate(SIGN_OUT)
    assert await window.page.evaluate("window.socketClosed") == 3500
    reply = await window.page.evaluate(OPEN_BY_COOKIE)
    assert reply["error"]["code"] == 101
