"""Holds HTTP requests to the rate limits. How they count: realtime/rate_limits/."""

from http import HTTPStatus

from api.errors import ApiError
from realtime.errors import TooManyRequests
from realtime.rate_limits.throttle import whole_seconds
from realtime.runtime import get_runtime


async def check_rate(*, host: str = "", user: str = "", api_key: str = "", cost: int = 1) -> None:
    """Counts a request by whatever is known of its sender: `host` is an address, `api_key` the key's id.

    Raises ApiError 429, with the seconds after which it may be repeated.
    """
    try:
        await get_runtime().throttle.http(host=host, user=user, api_key=api_key, cost=cost)
    except TooManyRequests as error:
        seconds = whole_seconds(error.wait_seconds)
        raise ApiError(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too_many_requests",
            f"There were too many requests. Repeat this one in {seconds} s, as Retry-After says.",
            retry_after_seconds=seconds,
        ) from None
