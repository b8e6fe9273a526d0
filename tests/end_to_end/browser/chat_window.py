"""One browser window with the chat in it, as a person sees and uses it."""

from playwright.async_api import ConsoleMessage, Locator, Page, expect

# The chat tries to come back at most 8 s apart; the rest is for a busy machine.
COMEBACK_MS = 30_000


class ChatWindow:
    def __init__(self, page: Page, *, url: str) -> None:
        self.page = page
        self._url = url
        self._problems: list[str] = []
        self._forgiven: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self._problems.append(str(error)))
        page.on("dialog", lambda dialog: self._problems.append(f"dialog: {dialog.message}"))

    def by_id(self, test_id: str) -> Locator:
        return self.page.get_by_test_id(test_id)

    # ── Getting there ─────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        await self.page.goto(self._url)
        await expect(self.by_id("sign-in-username")).to_be_visible()

    async def sign_in(self, username: str, password: str) -> None:
        await self.by_id("sign-in-username").fill(username)
        await self.by_id("sign-in-password").fill(password)
        await self.by_id("sign-in-submit").click()

    async def enter(self, username: str, *, room: str = "lobby") -> None:
        """From nowhere to a room, connected, with its messages."""
        await self.open()
        await self.sign_in(username, f"{username}-demo")
        await self.choose_room(room)
        await self.expect_connected()

    async def choose_room(self, slug: str) -> None:
        await self.by_id(f"room-{slug}").click()
        await expect(self.by_id("messages")).to_be_visible()

    async def expect_connected(self) -> None:
        await self.expect_connection("connected")

    async def expect_connection(self, state: str) -> None:
        await expect(self.by_id("connection-state")).to_have_attribute(
            "data-state", state, timeout=COMEBACK_MS
        )

    # ── Messages ──────────────────────────────────────────────────────────────────────────────

    @property
    def messages(self) -> Locator:
        return self.by_id("message")

    def message(self, text: str) -> Locator:
        return self.messages.filter(has=self.page.get_by_text(text, exact=True))

    async def write(self, text: str) -> None:
        """Into the field, without sending it."""
        await self.by_id("composer-input").fill(text)

    async def send(self, text: str) -> None:
        await self.write(text)
        await self.by_id("composer-input").press("Enter")

    async def expect_nothing_waits(self) -> None:
        """Until every message on the screen is one that the server has."""
        waiting = self.page.locator("[data-testid=message]:not([data-state=sent])")
        await expect(waiting).to_have_count(0, timeout=COMEBACK_MS)

    async def texts(self) -> list[str]:
        """Of all messages in the list, from the top."""
        return await self.by_id("message-text").all_inner_texts()

    async def ids(self) -> list[int]:
        ids: list[int] = await self.messages.evaluate_all("rows => rows.map((row) => Number(row.dataset.id))")
        return ids

    # ── What must not be ──────────────────────────────────────────────────────────────────────

    @property
    def problems(self) -> list[str]:
        """Errors and warnings in the console, errors that nobody caught, and dialogs that opened."""
        return [each for each in self._problems if not any(part in each for part in self._forgiven)]

    def forgive(self, *parts: str) -> None:
        """A problem with one of these texts in it is none: the test brings it about."""
        self._forgiven += parts

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._problems.append(f"console: {message.text}")
