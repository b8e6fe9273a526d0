"""Where the programs run: in Node and in Chromium, with the JSON and the Protobuf build of the SDK."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from playwright.async_api import Browser, Error, Page, Route

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"
SDK_BUNDLES = HERE.parent.parent.parent / "frontend" / "node_modules" / "centrifuge" / "dist"

# Under uvloop an alarm from outside does not end a wait, so that the test's own limit would not.
PATIENCE_SECONDS = 45

Codec = Literal["json", "protobuf"]
Said = dict[str, Any]


class ProgramFailed(Exception):
    """A program ended with an error. The text is what it printed."""


class Program(Protocol):
    """A program that runs."""

    async def hear(self, event: str) -> Said:
        """The next event of that name; those before it are passed over. Raises ProgramFailed."""

    async def tell(self, word: str) -> None: ...

    async def finish(self) -> list[Said]:
        """Waits for its end; gives all that it said from its start. Raises ProgramFailed."""


class Platform(Protocol):
    def start(self, program: str, **config: Any) -> AbstractAsyncContextManager[Program]:
        """Starts programs/<program>.mjs with `config`, and ends it when the context does."""


async def run(platform: Platform, program: str, **config: Any) -> list[Said]:
    """From start to end; gives what it said. Raises ProgramFailed."""
    async with platform.start(program, **config) as running:
        return await running.finish()


class _Speech:
    """What a program said so far."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self._heard = 0
        self._changed = asyncio.Condition()
        self._is_over = False

    async def add(self, said: Said) -> None:
        async with self._changed:
            self.said.append(said)
            self._changed.notify_all()

    async def end(self) -> None:
        async with self._changed:
            self._is_over = True
            self._changed.notify_all()

    async def hear(self, event: str) -> Said | None:
        """None where the program ended without saying it."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
            while True:
                while self._heard < len(self.said):
                    said = self.said[self._heard]
                    self._heard += 1
                    if said["event"] == event:
                        return said
                if self._is_over:
                    return None
                await self._changed.wait()


class Node:
    """Node, with the package `ws` for its socket."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    @asynccontextmanager
    async def start(self, program: str, **config: Any) -> AsyncIterator[Program]:
        arguments = json.dumps({"program": program, "codec": self._codec, "config": config})
        process = await asyncio.create_subprocess_exec(
            "node", "run_in_node.mjs", arguments, cwd=HERE,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            limit=2**24,  # A line may tell of some thousand messages.
        )  # fmt: skip
        running = _NodeProgram(process)
        try:
            yield running
        finally:
            await running.close()


class _NodeProgram:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._speech = _Speech()
        self._errors = b""
        self._listening = asyncio.create_task(self._listen())

    async def hear(self, event: str) -> Said:
        said = await self._speech.hear(event)
        if said is None:
            raise ProgramFailed(f"ended without saying {event!r}: {self._errors.decode()}")
        return said

    async def tell(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n".encode())
        await self._process.stdin.drain()

    async def finish(self) -> list[Said]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.shield(self._listening)
        if await self._process.wait() != 0:
            raise ProgramFailed(self._errors.decode())
        return self._speech.said

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._listening
        await self._process.wait()

    async def _listen(self) -> None:
        stdout, stderr = self._process.stdout, self._process.stderr
        assert stdout is not None
        assert stderr is not None
        reading_errors = asyncio.create_task(stderr.read())
        async for line in stdout:
            await self._speech.add(json.loads(line))
        self._errors = await reading_errors
        await self._speech.end()


class Chromium:
    """A page of its own in Chromium, with the SDK's bundle for browsers.

    `origin` is a server's address. Chromium keeps pages that come from nowhere off this machine's
    ports, so the page is one that the server really serves; the programs are added to it.
    """

    def __init__(self, codec: Codec, browser: Browser, *, origin: str) -> None:
        self._codec = codec
        self._browser = browser
        self._origin = origin

    @asynccontextmanager
    async def start(self, program: str, **config: Any) -> AsyncIterator[Program]:
        # The program is nobody's page, and comes in by ways that the site's policy forbids.
        context = await self._browser.new_context(bypass_csp=True)
        try:
            page = await context.new_page()
            await page.route(f"{self._origin}/programs/*.mjs", _serve_program)
            await page.goto(f"{self._origin}/health/live")
            bundle = "centrifuge.protobuf.js" if self._codec == "protobuf" else "centrifuge.js"
            await page.add_script_tag(path=SDK_BUNDLES / bundle)
            running = _PageProgram(page)
            await running.begin(program, self._codec, config)
            try:
                yield running
            finally:
                await running.close()
        finally:
            await context.close()


async def _serve_program(route: Route) -> None:
    name = PurePosixPath(urlsplit(route.request.url).path).name
    await route.fulfill(path=PROGRAMS / name, content_type="text/javascript")


_PREPARE_PAGE = """async () => {
  const { createEar } = await import("/programs/kit.mjs");
  window.ear = createEar();
}"""
_RUN_IN_PAGE = """async ({ program, codec, config }) => {
  const { createKit } = await import("/programs/kit.mjs");
  const { run } = await import(`/programs/${program}.mjs`);
  const heard = [];
  const say = (event, fields = {}) => heard.push(window.hear({ event, ...fields }));
  const { told } = window.ear;
  await run(createKit({ Centrifuge, isProtobuf: codec === "protobuf", options: {}, config, say, told }));
  await Promise.all(heard);
}"""


class _PageProgram:
    def __init__(self, page: Page) -> None:
        self._page = page
        self._speech = _Speech()
        self._running: asyncio.Task[None] | None = None

    async def begin(self, program: str, codec: Codec, config: dict[str, Any]) -> None:
        await self._page.expose_function("hear", self._speech.add)
        await self._page.evaluate(_PREPARE_PAGE)
        arguments = {"program": program, "codec": codec, "config": config}
        self._running = asyncio.create_task(self._run(arguments))

    async def hear(self, event: str) -> Said:
        said = await self._speech.hear(event)
        if said is None:
            await self.finish()
            raise ProgramFailed(f"ended without saying {event!r}")
        return said

    async def tell(self, word: str) -> None:
        await self._page.evaluate("word => window.ear.hear(word)", word)

    async def finish(self) -> list[Said]:
        assert self._running is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._running
        return self._speech.said

    async def close(self) -> None:
        assert self._running is not None
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self, arguments: dict[str, Any]) -> None:
        try:
            await self._page.evaluate(_RUN_IN_PAGE, arguments)
        except Error as error:
            raise ProgramFailed(str(error)) from error
        finally:
            await self._speech.end()
