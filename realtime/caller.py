"""Who is asking: what every rule, hook and RPC function is told about the client."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """`user` is "" for an anonymous client; `client` is unique per connection.

    `info` is the `info` of the connection token, encoded as JSON, or None where it had none.
    """

    user: str
    client: str
    info: bytes | None = None

    @property
    def is_anonymous(self) -> bool:
        return self.user == ""
