"""The token with which a signed-in page opens its WebSocket."""

from django.http import HttpRequest
from ninja import Router, Schema

from api.auth import account, signed_in
from api.errors import ErrorBody
from realtime.features.people import display_name
from realtime.runtime import get_runtime

# A page gets a new one by itself before that; who is signed out by then gets none.
LIFETIME_SECONDS = 3600

router = Router(tags=["session"], auth=signed_in)


class ConnectionToken(Schema):
    token: str


@router.post("", response={200: ConnectionToken, 401: ErrorBody})
async def issue(request: HttpRequest) -> ConnectionToken:
    """A connection token for the signed-in account, valid for an hour."""
    user = account(request)
    token = get_runtime().token_signer.connection(
        user=str(user.pk), info={"name": display_name(user)}, ttl_seconds=LIFETIME_SECONDS
    )
    return ConnectionToken(token=token)
