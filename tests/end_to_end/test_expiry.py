"""Tokens that run out under a published SDK: renewed in time nothing is noticed, and otherwise it ends."""

from collections.abc import Callable

import pytest
from centrifuge import Client, ConnectingContext, SubscribingContext, UnauthorizedError
from centrifuge.handlers import ClientEventHandler, SubscriptionEventHandler

from tests.end_to_end.sdk import end
from tests.servers import EACH_KIND, Server
from tests.tokens import sign
from tests.waiting import until

SETTINGS = "tests.end_to_end.settings_probe"
# The SDK asks for a new token when its old one ends; the server waits a moment longer.
ENV = {"REALTIME_EXPIRY_GRACE": "1"}
TTL_SECONDS = 1.5


class Transitions(ClientEventHandler, SubscriptionEventHandler):  # type: ignore[misc]  # Untyped SDK.
    """How often the client began to connect, or the subscription to subscribe: first, and after each loss."""

    def __init__(self) -> None:
        self.connecting: list[int] = []
        self.subscribing: list[int] = []

    async def on_connecting(self, ctx: ConnectingContext) -> None:
        self.connecting.append(ctx.code)

    async def on_subscribing(self, ctx: SubscribingContext) -> None:
        self.subscribing.append(ctx.code)


@pytest.fixture(params=EACH_KIND)
def server(request: pytest.FixtureRequest, shared_server: Callable[..., Server]) -> Server:
    return shared_server(request.param, settings=SETTINGS, env=ENV)


@pytest.mark.parametrize("use_protobuf", [False, True], ids=["json", "protobuf"])
async def test_tokens_that_are_renewed_keep_connection_and_subscription(
    server: Server, *, use_protobuf: bool
) -> None:
    transitions = Transitions()
    connection_tokens, subscription_tokens = [0], [0]

    async def get_token() -> str:
        connection_tokens[0] += 1
        return sign(sub="42", ttl_seconds=TTL_SECONDS)

    async def get_subscription_token(channel: str) -> str:
        subscription_tokens[0] += 1
        return sign(sub="42", channel=channel, ttl_seconds=TTL_SECONDS)

    client = Client(server.ws, events=transitions, get_token=get_token, use_protobuf=use_protobuf, proxy=None)
    subscription = client.new_subscription(
        "closed:expiry", events=transitions, get_token=get_subscription_token
    )
    await client.connect()
    await subscription.subscribe()

    # The first tokens are by then long expired.
    await until(lambda: min(connection_tokens[0], subscription_tokens[0]) >= 5)
    await subscription.ready()

    assert len(transitions.connecting) == 1
    assert len(transitions.subscribing) == 1
    await end(client)


async def test_a_client_that_gets_no_new_token_is_let_go(server: Server) -> None:
    transitions = Transitions()
    is_signed_out = False

    async def get_token() -> str:
        if is_signed_out:
            raise UnauthorizedError
        return sign(sub="42", ttl_seconds=TTL_SECONDS)

    client = Client(server.ws, events=transitions, get_token=get_token, proxy=None)
    await client.connect()
    await client.ready()

    is_signed_out = True

    await until(lambda: client.state.value == "disconnected")
    assert len(transitions.connecting) == 1
    await end(client)
