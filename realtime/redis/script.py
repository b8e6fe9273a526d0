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

    @classmethod
    def load(cls, *names: str) -> Self:
        """From realtime/layers/lua; several files make one script, in their order."""
        folder = files("realtime.layers").joinpath("lua")
        source = b"\n".join(folder.joinpath(name).read_bytes() for name in names)
        return cls(source=source, digest=_digest(source))


@cache
def _digest(source: bytes) -> str:
    # Redis names scripts so; nothing is protected by it.
    return hashlib.sha1(source, usedforsecurity=False).hexdigest()
