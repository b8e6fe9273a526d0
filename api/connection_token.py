"""The token with which a signed-in page or app opens its WebSocket. It ends with the login."""

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
    """A connection token for the signed-in account, valid for an hour, or until it signs out."""
    user, runtime = account(request), get_runtime()
    key = request.session.session_key
    token = runtime.token_signer.connection(
        user=str(user.pk),
        info={"name": display_name(user)},
        ttl_seconds=LIFETIME_SECONDS,
        login=runtime.logins.seal(key) if key else "",
    )
    return ConnectionToken(token=token)
