"""A Lua script that Redis runs as one step, and its digest."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Self


@dataclass(frozen=True, slots=True)
class Script:
    """Called with its keys and arguments. Two more arguments follow its own, always: the run id of the
    server, and "1" where the server's data survive the end of its process (see ServerIdentity).
    """

    source: bytes
    digest: str

    def begin(self, *, is_known: bool) -> tuple[str, str | bytes]:
        """How its command begins, for a server that has seen it or has not."""
        return ("EVALSHA", self.digest) if is_known else ("EVAL", self.source)

    @classmethod
    def load(cls, *names: str) -> Self:
        """From realtime/layers/lua; several files make one script, in their order."""
        folder = files("realtime.layers").joinpath("lua")
        source = b"\n".join(folder.joinpath(name).read_bytes() for name in names)
        return cls.of(source)

    @classmethod
    def of(cls, source: bytes) -> Self:
        return cls(source=source, digest=_digest(source))


@cache
def _digest(source: bytes) -> str:
    # Redis names scripts so; nothing is protected by it.
    return hashlib.sha1(source, usedforsecurity=False).hexdigest()
