"""A recorded conversation on the wire, and how its file is read. Playing it is player.py's.

    # What this shows. Lines with a # are for people.
    with REALTIME_EXPIRY_GRACE=0                     the server's environment, where it matters
    token $alice {"sub": "42", "ttl_seconds": 60}    a signed token; `secret` "foreign" for a forged one
    text $long 70000                                 that many characters
    alice -> {"id": 1, "connect": {"token": "$alice"}}
           & {"id": 2, "ping": {}}                   in the same WebSocket message as the line above
    alice <- {"id": 1, "connect": {"client": "$client", "version": "$any"}}
    alice <- close 3500 invalid token
    alice leaves                                     closes its socket
    alice opens                                      where it says nothing at first; or to come back
    server stops                                     by SIGTERM

Each client has a WebSocket of its own, from its first line on. What is sent goes out as it is
written, except for names with a `$` (`$$` is one dollar). In what comes back, a text "$name" stands
for any value the first time and for the same value from then on, "$any" for any value each time.
Every message that a client gets must be in the file, in order; two clients are independent of each
other.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

FOLDER = Path(__file__).parent / "transcripts"

_LINE = re.compile(
    r"with (?P<env>\w+=\S+)"
    r"|token \$(?P<token>\w+) (?P<claims>\{.*\})"
    r"|text \$(?P<text>\w+) (?P<length>\d+)"
    r"|(?P<stop>server stops)"
    r"|(?P<opens>\w+) opens"
    r"|(?P<leaves>\w+) leaves"
    r"|(?P<closed>\w+) <- close (?P<code>\d+) (?P<reason>.+)"
    r"|(?P<gets>\w+) <- (?P<message>\{.*\})"
    r"|(?P<sends>\w+) -> (?P<first>.*)"
    r"|\s+& (?P<next>.*)"
)


@dataclass(frozen=True, slots=True)
class Token:
    name: str
    claims: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Text:
    name: str
    length: int


@dataclass(frozen=True, slots=True)
class Opens:
    client: str


@dataclass(frozen=True, slots=True)
class Sends:
    client: str
    lines: list[str]


@dataclass(frozen=True, slots=True)
class Gets:
    client: str
    message: dict[str, Any]


@dataclass(frozen=True, slots=True)
class IsClosed:
    client: str
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Leaves:
    client: str


@dataclass(frozen=True, slots=True)
class ServerStops:
    pass


Step: TypeAlias = Token | Text | Opens | Sends | Gets | IsClosed | Leaves | ServerStops


@dataclass(frozen=True, slots=True)
class Transcript:
    name: str
    env: dict[str, str]
    # With the number of the line that each begins at.
    steps: list[tuple[int, Step]]

    @property
    def stops_the_server(self) -> bool:
        return any(isinstance(step, ServerStops) for _, step in self.steps)


def load_all() -> list[Transcript]:
    return [parse(path.stem, path.read_text()) for path in sorted(FOLDER.glob("*.txt"))]


def parse(name: str, text: str) -> Transcript:
    """Raises ValueError for a line that is none of the above."""
    transcript = Transcript(name, {}, [])
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise ValueError(f"{name}.txt, line {number}: cannot read {line!r}")
        _add(
            transcript, number, {key: value for key, value in found.groupdict().items() if value is not None}
        )
    return transcript


def _add(transcript: Transcript, number: int, found: dict[str, str]) -> None:
    step: Step
    match found:
        case {"env": setting}:
            variable, _, value = setting.partition("=")
            transcript.env[variable] = value
            return
        case {"next": line}:
            previous = transcript.steps[-1][1]
            if not isinstance(previous, Sends):
                raise ValueError(f"{transcript.name}.txt, line {number}: '&' follows nothing that is sent")
            previous.lines.append(line)
            return
        case {"token": name, "claims": claims}:
            step = Token(name, json.loads(claims))
        case {"text": name, "length": length}:
            step = Text(name, int(length))
        case {"stop": _}:
            step = ServerStops()
        case {"opens": client}:
            step = Opens(client)
        case {"leaves": client}:
            step = Leaves(client)
        case {"closed": client, "code": code, "reason": reason}:
            step = IsClosed(client, int(code), reason)
        case {"gets": client, "message": message}:
            step = Gets(client, json.loads(message))
        case {"sends": client, "first": line}:
            step = Sends(client, [line])
        case _:
            raise AssertionError(found)
    transcript.steps.append((number, step))
