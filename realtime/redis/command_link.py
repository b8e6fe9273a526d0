"""The link for commands: what has an answer of its own."""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import ConnectionPool
from redis.exceptions import NoScriptError

from realtime.redis.link import Argument, Callback, Link
from realtime.redis.script import Script


class CommandLink(Link):
    """`on_up` is called each time the connection stands, the first time too."""

    def __init__(self, pool: ConnectionPool, *, name: str, on_up: Callback) -> None:
        super().__init__(pool, name=name)
        self._on_up = on_up

    async def call(self, *arguments: Argument) -> Any:
        """The raw answer. Raises LayerUnavailable, and ResponseError where Redis refuses."""
        return await self._request(*arguments)

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """As call()."""
        while True:
            try:
                return await self._request(len(keys), *keys, *arguments, script=script)
            except NoScriptError:
                # Somebody flushed the server's scripts.
                self._known_scripts.discard(script)

    def _came_up(self) -> None:
        self._on_up()

    def _take(self, answer: Any) -> None:
        self._answer_next(answer)

    def _went_down(self) -> None:
        # They may have been carried out, or not: whoever made them must not guess.
        self._fail_sent("the connection to Redis was lost")
