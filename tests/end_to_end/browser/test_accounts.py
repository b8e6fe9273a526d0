"""The account pages in a browser: signing in by every way there is, and what each page looks like to axe."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, Page, expect

from tests.end_to_end.browser.conftest import OpenWindow, Site
from tests.end_to_end.browser.test_accessibility import AXE, SIZES, expect_accessible
from tests.oidc import provider as oidc
from tests.project.accounts.visits import totp
from tests.servers import Server, find_free_port

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = ("email", "password/change", "2fa", "2fa/totp/activate", "2fa/webauthn/add", "sessions", "logout")


async def sign_in(page: Page, url: str, username: str = "alice") -> None:
    await page.goto(f"{url}/accounts/login/")
    await page.get_by_label("User name").fill(username)
    await page.get_by_label("Password", exact=True).fill(f"{username}-demo")
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.get_by_test_id("current-user")).to_be_visible()


async def prove_it_again(page: Page, username: str = "alice") -> None:
    await page.get_by_label("Password", exact=True).fill(f"{username}-demo")
    await page.get_by_role("button", name="Confirm").click()


@pytest.mark.parametrize(("size", "scheme"), [("phone", "dark"), ("desktop", "light")])
async def test_every_account_page_is_accessible_and_fits(
    site: Site, open_window: OpenWindow, size: str, scheme: Literal["light", "dark"]
) -> None:
    window = await open_window(viewport=SIZES[size], color_scheme=scheme)
    page = window.page

    async def look(path: str = "") -> None:
        if path:
            await page.goto(f"{site.server.http}/accounts/{path}/")
        await page.evaluate(AXE.read_text())
        await expect_accessible(window)
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= SIZES[size]["width"], path

    for path in ("login", "signup", "password/reset"):
        await look(path)
    await sign_in(page, site.server.http)
    await page.goto(f"{site.server.http}/accounts/2fa/totp/activate/")
    await look()
    await prove_it_again(page)
    for path in PAGES:
        await look(path)
    await page.goto(f"{site.server.http}/accounts/2fa/totp/activate/")
    await page.get_by_label("Authenticator code").fill("000000")
    await page.get_by_role("button", name="Activate").click()
    await expect(page.get_by_role("alert")).to_contain_text("Incorrect code")
    await look()


async def test_second_factor_is_asked_for_at_the_page(site: Site, open_window: OpenWindow) -> None:
    window = await open_window()
    page = window.page
    await sign_in(page, site.server.http)
    await page.get_by_test_id("account-settings").click()
    await page.get_by_role("link", name="Second factor").click()
    await page.get_by_role("link", name="Activate").click()
    await prove_it_again(page)
    secret = await page.get_by_label("Authenticator secret").input_value()
    await page.get_by_label("Authenticator code").fill(totp(secret))
    await page.get_by_role("button", name="Activate").click()
    await expect(page.get_by_role("heading", name="Recovery Codes")).to_be_visible()

    other = await open_window()
    other.forgive("401 (Unauthorized)")
    await other.open()
    await other.sign_in("alice", "alice-demo")
    await other.page.get_by_label("Code").fill(totp(secret, steps_ahead=1))
    await other.page.get_by_role("button", name="Sign In").click()
    await expect(other.by_id("current-user")).to_have_text("Alice Moreau")


async def test_passkey_signs_in_without_name_and_password(site: Site, open_window: OpenWindow) -> None:
    # Browsers know no passkeys for addresses that are numbers.
    url = site.server.http.replace("127.0.0.1", "localhost")
    window = await open_window()
    page = window.page
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})

    await sign_in(page, url)
    await page.goto(f"{url}/accounts/2fa/webauthn/add/")
    await prove_it_again(page)
    await page.get_by_label("Name").fill("This laptop")
    await page.get_by_label("Passwordless").check()
    await page.get_by_role("button", name="Add").click()
    await expect(page.get_by_role("heading", name="Recovery Codes")).to_be_visible()
    await page.context.clear_cookies()

    await page.goto(f"{url}/accounts/login/")
    await page.get_by_role("button", name="Use a passkey").click()
    await expect(page.get_by_test_id("current-user")).to_have_text("Alice Moreau")


async def test_ending_a_session_signs_its_window_out(site: Site, open_window: OpenWindow) -> None:
    left, here = await open_window(), await open_window()
    await left.enter("alice")
    left.forgive("401 (Unauthorized)", "WebSocket")
    await sign_in(here.page, site.server.http)

    await here.page.goto(f"{site.server.http}/accounts/sessions/")
    await expect(here.by_id("session")).to_have_count(2)
    await here.page.get_by_role("button", name=re.compile("^End Chrome")).click()

    await expect(here.by_id("session")).to_have_count(1)
    await left.page.reload()
    await expect(left.by_id("sign-in-username")).to_be_visible()


async def test_person_signs_in_at_another_provider(
    make_server: Callable[..., Server],
    demo_database: Path,
    chromium: Browser,
    tmp_path: Path,
    page_is_built: None,
) -> None:
    """In a browser, where the content security policy holds forms to this site."""
    port = find_free_port()
    url = f"http://localhost:{port}"
    provider = oidc.Provider(make_server, redirect_uris=[f"{url}/accounts/oidc/acme/login/callback/"])
    database = tmp_path / "site.sqlite3"
    shutil.copyfile(demo_database, database)
    env = {**provider.environment, "DATABASE_URL": f"sqlite:///{database}", "REALTIME_SHUTDOWN_DELAY": "0"}
    make_server(env=env, port=port).start()
    page = await chromium.new_page()

    await page.goto(f"{url}/accounts/login/")
    await page.get_by_role("button", name="Continue with Acme").click()
    await expect(page).to_have_url(re.compile(f"^{provider.url}/accounts/login/"))
    await page.get_by_label("User name").fill(oidc.USERNAME)
    await page.get_by_label("Password", exact=True).fill(oidc.PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()

    await expect(page.get_by_test_id("current-user")).to_have_text("Dora Acme")
    assert page.url.startswith(url)
    await page.context.close()
