"""Two people chat in two browsers, on a real server, which is stopped under them and comes back."""

import re
from collections.abc import Iterable

import pytest
from playwright.async_api import expect

from tests.end_to_end.browser.chat_window import COMEBACK_MS, ChatWindow
from tests.end_to_end.browser.conftest import OpenWindow, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What Chromium itself writes to the console while a server is away.
AWAY = ("WebSocket connection to", "net::ERR_")


async def expect_agreement(site: Site, room: str, windows: Iterable[ChatWindow]) -> None:
    """All windows show the messages that are stored, each once, in their order."""
    stored = site.fetch_texts(room)
    for window in windows:
        await window.expect_nothing_waits()
        await expect(window.messages).to_have_count(len(stored))
        assert await window.texts() == stored
        ids = await window.ids()
        assert ids == sorted(set(ids))


async def expect_same_page_load(window: ChatWindow) -> None:
    assert await window.page.evaluate("window.isSameLoad === true")


async def mark_page_load(window: ChatWindow) -> None:
    await window.page.evaluate("window.isSameLoad = true")


async def test_two_people_see_each_other_and_talk(site: Site, open_window: OpenWindow) -> None:
    alice, bob = await open_window(), await open_window()
    await alice.enter("alice")
    await bob.enter("bob")

    for window in (alice, bob):
        await expect(window.by_id("member")).to_have_count(2)
        await expect(window.by_id("members")).to_contain_text("Alice Moreau")
        await expect(window.by_id("members")).to_contain_text("Bob Lindqvist")
    for number in range(3):
        await alice.send(f"from Alice {number}")
        await expect(bob.message(f"from Alice {number}")).to_have_count(1)
        await bob.send(f"from Bob {number}")
        await expect(alice.message(f"from Bob {number}")).to_have_count(1)
    await expect_agreement(site, "lobby", (alice, bob))

    await bob.page.close()
    await expect(alice.by_id("member")).to_have_count(1)


async def test_both_write_at_once_and_agree_on_the_order(site: Site, open_window: OpenWindow) -> None:
    alice, bob = await open_window(), await open_window()
    await alice.enter("alice")
    await bob.enter("bob")

    for number in range(10):
        await alice.send(f"Alice {number}")
        await bob.send(f"Bob {number}")

    await expect(alice.message("Bob 9")).to_have_count(1)
    await expect(bob.message("Alice 9")).to_have_count(1)
    await expect_agreement(site, "lobby", (alice, bob))
    texts = await alice.texts()
    for name in ("Alice", "Bob"):
        own = [text for text in texts if re.fullmatch(rf"{name} \d", text)]
        assert own == [f"{name} {number}" for number in range(10)]


async def test_typing_shows_and_ends_with_the_message(open_window: OpenWindow) -> None:
    alice, bob = await open_window(), await open_window()
    await alice.enter("alice")
    await bob.enter("bob")

    await alice.by_id("composer-input").press_sequentially("Hello B")
    await expect(bob.by_id("typing")).to_have_text("Alice Moreau is typing…")
    # Nobody is told of their own typing.
    await expect(alice.by_id("typing")).to_have_text("")

    await alice.send("Hello Bob")
    await expect(bob.message("Hello Bob")).to_have_count(1)
    await expect(bob.by_id("typing")).to_have_text("")


async def test_new_room_shows_for_everybody(open_window: OpenWindow) -> None:
    alice, bob = await open_window(), await open_window()
    await alice.enter("alice")
    await bob.enter("bob")

    await alice.by_id("new-room").click()
    await alice.by_id("new-room-name").fill("Design review")
    await alice.by_id("new-room-description").fill("Fridays at ten")
    await alice.by_id("new-room-submit").click()

    await expect(alice.page.get_by_role("heading", level=1)).to_have_text("Design review")
    await bob.choose_room("design-review")
    await bob.send("First!")
    await expect(alice.message("First!")).to_have_count(1)


async def test_server_restarts_under_two_people(site: Site, open_window: OpenWindow) -> None:
    alice, bob = await open_window(), await open_window()
    for window, name in ((alice, "alice"), (bob, "bob")):
        await window.enter(name)
        await mark_page_load(window)
        window.forgive(*AWAY)
    await bob.write("half a sentence")

    site.server.stop()
    for window in (alice, bob):
        await window.expect_connection("connecting")
    for number in range(3):
        await alice.send(f"while it was away {number}")
    await expect(alice.by_id("connection-banner")).to_contain_text("3 messages wait to be sent.")
    site.server.start()

    for window in (alice, bob):
        await window.expect_connected()
        await expect(window.message("while it was away 2")).to_have_count(1, timeout=COMEBACK_MS)
    # What was being written is still there, and is sent now.
    await expect(bob.by_id("composer-input")).to_have_value("half a sentence")
    await bob.by_id("composer-input").press("Enter")
    await expect(alice.message("half a sentence")).to_have_count(1)
    await expect_agreement(site, "lobby", (alice, bob))
    assert site.fetch_texts("lobby")[-4:] == [
        *(f"while it was away {number}" for number in range(3)),
        "half a sentence",
    ]
    for window in (alice, bob):
        await expect(window.by_id("member")).to_have_count(2)
        await expect_same_page_load(window)


async def test_server_is_killed_between_two_messages(site: Site, open_window: OpenWindow) -> None:
    alice, bob = await open_window(), await open_window()
    for window, name in ((alice, "alice"), (bob, "bob")):
        await window.enter(name)
        await mark_page_load(window)
        window.forgive(*AWAY)

    # The first of them is stored; where the others are when the server dies, nobody can tell.
    for number in range(8):
        await alice.send(f"Alice {number}")
        await bob.send(f"Bob {number}")
        if number == 0:
            await expect(bob.message("Alice 0")).to_have_count(1)
    site.server.kill()
    for window in (alice, bob):
        await window.expect_connection("connecting")
    await bob.send("Is anybody there?")
    site.server.start()

    for window in (alice, bob):
        await window.expect_connected()
        for text in ("Alice 7", "Bob 7", "Is anybody there?"):
            await expect(window.message(text)).to_have_count(1, timeout=COMEBACK_MS)
    await expect_agreement(site, "lobby", (alice, bob))
    stored = site.fetch_texts("lobby")
    assert [text for text in stored if text.startswith("Alice ")] == [f"Alice {n}" for n in range(8)]
    assert [text for text in stored if text.startswith("Bob ")] == [f"Bob {n}" for n in range(8)]
    for window in (alice, bob):
        await expect_same_page_load(window)


async def test_wrong_password_is_explained_and_the_right_one_still_works(open_window: OpenWindow) -> None:
    window = await open_window()
    await window.open()
    # Chromium reports every answer of 400 and above.
    window.forgive("401 (Unauthorized)")
    await window.sign_in("alice", "not her password")

    await expect(window.by_id("sign-in-error")).to_have_text(
        "That user name and password do not match. Check both and try again."
    )
    await expect(window.by_id("sign-in-password")).to_have_value("")
    await expect(window.by_id("sign-in-password")).to_be_focused()

    await window.sign_in("alice", "alice-demo")
    await window.choose_room("lobby")
    await window.expect_connected()
    await expect(window.by_id("current-user")).to_have_text("Alice Moreau")


async def test_session_survives_a_reload_and_ends_with_sign_out(open_window: OpenWindow) -> None:
    window = await open_window()
    await window.enter("alice")

    await window.page.reload()
    await window.expect_connected()
    await expect(window.by_id("messages")).to_be_visible()

    await window.by_id("sign-out").click()
    await expect(window.by_id("sign-in-username")).to_be_visible()
    await window.page.reload()
    await expect(window.by_id("sign-in-username")).to_be_visible()
