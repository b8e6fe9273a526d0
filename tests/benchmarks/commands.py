"""What the clients of a benchmark say to a server, and where they find it."""

from tests.benchmarks.floor import PUBLISHER_PATH
from tests.benchmarks.frames import Endpoint
from tests.benchmarks.load import Request, crowd
from tests.benchmarks.processes import WEBSOCKET_PATH, Server
from tests.benchmarks.windows import DEADLINE_SECONDS

DATA = b'{"user":"alice","text":"hello world, this is a message"}'
CONNECT = b'{"id":1,"connect":{}}'


def endpoint_of(server: Server, *, publisher: bool = False, cookie: str = "") -> Endpoint:
    if server.name == "floor":
        return Endpoint(port=server.port, path=PUBLISHER_PATH.decode() if publisher else "/")
    return Endpoint(port=server.port, path=WEBSOCKET_PATH, cookie=cookie)


def opening(topic: str) -> list[bytes]:
    return [CONNECT, b'{"id":2,"subscribe":{"channel":"%s"}}' % topic.encode()]


def publish_request(topic: str) -> Request:
    return Request(payload=b'{"id":%%d,"publish":{"channel":"%s","data":%s}}' % (topic.encode(), DATA))


async def frame_bytes(server: Server) -> int:
    """Return how many bytes a frame with one publication has, so that the floor can send as many."""
    async with crowd(endpoint_of(server)) as clients, crowd(endpoint_of(server)) as publishers:
        await clients.add_subscribers([opening("log:bench")], within_seconds=DEADLINE_SECONDS)
        publisher = await publishers.add_commander([CONNECT])
        before = clients.tally.bytes
        await publisher.ask(publish_request("log:bench"), within_seconds=DEADLINE_SECONDS)
        await clients.tally.reach(1, within_seconds=DEADLINE_SECONDS)
        return clients.tally.bytes - before
