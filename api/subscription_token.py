"""The token with which a client enters one topic, where the topic's rule lets its account in."""

from http import HTTPStatus
from typing import Annotated

import msgspec
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import StringConstraints

from api.auth import account, signed_in
from api.errors import ApiError, ErrorBody
from realtime.caller import Caller
from realtime.errors import CommandError
from realtime.features.people import display_name
from realtime.runtime import get_runtime
from realtime.topics.name import TopicName

# A subscription by token lasts until then and is not asked about in between; the SDK then comes for
# the next one, and the rule is asked again.
LIFETIME_SECONDS = 120

router = Router(tags=["session"], auth=signed_in)


class Wish(Schema):
    """`channel` is the topic, as the SDKs call it."""

    channel: Annotated[str, StringConstraints(min_length=1, max_length=255)]


class SubscriptionToken(Schema):
    token: str


@router.post("", response={200: SubscriptionToken, 400: ErrorBody, 401: ErrorBody, 403: ErrorBody})
async def issue(request: HttpRequest, wish: Wish) -> SubscriptionToken:
    """A subscription token for one topic, valid for two minutes.

    It is asked for by the SDKs' `getToken` of a subscription. The topic's own rule decides; a topic
    whose name begins with `$` is open to those alone whom a rule in Python lets in.
    """
    user, runtime = account(request), get_runtime()
    caller = Caller(user=str(user.pk), client="", info=msgspec.json.encode({"name": display_name(user)}))
    try:
        topic = TopicName.parse(wish.channel)
        namespace = runtime.node.namespaces.get_for(topic)
    except CommandError:
        # Not told from a topic that is there: what exists is nobody's to find out by asking.
        raise _refusal(wish.channel) from None
    if not await runtime.node.permissions.may_be_given_token(caller, topic, namespace):
        raise _refusal(wish.channel)
    token = runtime.token_signer.subscription(
        user=caller.user, topic=topic.text, ttl_seconds=LIFETIME_SECONDS
    )
    return SubscriptionToken(token=token)


def _refusal(channel: str) -> ApiError:
    return ApiError(
        HTTPStatus.FORBIDDEN,
        "not_allowed",
        f"The channel {channel!r} is not open to this account. Ask who looks after it, or leave it out.",
    )
