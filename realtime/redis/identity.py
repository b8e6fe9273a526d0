"""Which server process is at the other end of a connection, and what a change of it may have cost."""

from dataclasses import dataclass
from typing import Self

from redis.exceptions import BusyLoadingError, ReadOnlyError, ResponseError

INFO_SECTIONS = ("server", "persistence", "replication")

# What a user without that permission is told; redis' own words name the user and the command.
INFO_IS_NEEDED = "it tells whether topics' logs outlived a restart, so grant this user +info"

# What `master_replid2` says of a server that was never promoted from a replica.
NEVER_PROMOTED = "0" * 40


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """`run_id` is new with every start of a server process, so a failover changes it as well.

    `is_durable`: what this server acknowledged survives the end of its process. So it is with an
    append-only file; a snapshot may be minutes old, and a promoted replica may lack the newest writes.
    """

    run_id: str
    is_durable: bool

    @classmethod
    def from_info(cls, *sections: bytes) -> Self:
        """From the answers to INFO for each of INFO_SECTIONS.

        Raises BusyLoadingError for a server that does not have its data yet, ReadOnlyError for a replica:
        both answer INFO, and nothing else that is asked of them here.
        """
        fields = dict(
            line.split(":", 1)
            for section in sections
            for line in section.decode().splitlines()
            if ":" in line
        )
        if fields.get("loading", "0") != "0":
            raise BusyLoadingError("Redis is loading its data")
        if fields.get("role", "master") != "master":
            raise ReadOnlyError("this Redis is a replica, and a primary is needed")
        has_file = fields.get("aof_enabled") == "1"
        was_promoted = fields.get("master_replid2", NEVER_PROMOTED) != NEVER_PROMOTED
        return cls(run_id=fields.get("run_id", ""), is_durable=has_file and not was_promoted)

    @property
    def arguments(self) -> tuple[str, str]:
        """The last two arguments of every script: see Script."""
        return self.run_id, "1" if self.is_durable else "0"


def is_of_replica(error: ResponseError) -> bool:
    """Whether it says that the server is a replica, and may have been the primary once."""
    # Before version 7, Redis wraps what a script's commands said into an error of its own.
    return isinstance(error, ReadOnlyError) or "-READONLY" in str(error)
