"""Who is held to which limits, and what they are told. The counting is the limiters' business.

A connection keeps its own past (ConnectionMeters), so that most of a flood is refused for less than
a microsecond and without asking anybody. What users, addresses and API keys have spent is shared.
"""

import ipaddress
import math
from collections.abc import Callable

from realtime.errors import TooManyRequests
from realtime.rate_limits.base import Limit, RateLimiter
from realtime.rate_limits.gcra import Meter
from realtime.rate_limits.rate import Rate
from realtime.rate_limits.rates import Rates

# A household or a server gets at least so much of IPv6 (RFC 6177), and may change within it at will.
IPV6_PREFIX = 64


class ConnectionMeters:
    """One connection's past."""

    __slots__ = ("commands", "publish", "rpc")

    def __init__(self) -> None:
        self.commands = Meter()
        self.publish = Meter()
        self.rpc = Meter()


class Throttle:
    """Each method but `connect_from` raises TooManyRequests. `clock` gives seconds that never jump."""

    def __init__(self, rates: Rates, *, limiter: RateLimiter, clock: Callable[[], float]) -> None:
        self._rates = rates
        self._limiter = limiter
        self._clock = clock
        self._connect_per_ip = _limit("connect:ip", rates.connect_per_ip)
        self._connect_per_user = _limit("connect:user", rates.connect_per_user)
        self._publish_per_user = _limit("publish:user", rates.publish_per_user)
        self._rpc_per_user = _limit("rpc:user", rates.rpc_per_user)
        self._http_per_ip = _limit("http:ip", rates.http_per_ip)
        self._http_per_user = _limit("http:user", rates.http_per_user)
        self._http_per_api_key = _limit("http:key", rates.http_per_api_key)

    # ── Connections ───────────────────────────────────────────────────────────────────────────

    async def connect_from(self, host: str) -> float:
        """Asked before the handshake is answered: 0, or the seconds after which it may be tried again.

        "" is for who has no address, on a socket of this machine: they are its own.
        """
        if not host or self._connect_per_ip is None:
            return 0
        return await self._limiter.take(self._connect_per_ip, network_of(host))

    async def connect_as(self, user: str) -> None:
        """An anonymous client has no user to share a limit."""
        if user and self._connect_per_user is not None:
            await self._take(self._connect_per_user, user)

    # ── Commands ──────────────────────────────────────────────────────────────────────────────

    def command(self, meters: ConnectionMeters) -> None:
        """Counts a command of any kind."""
        self._meter("commands:connection", meters.commands, self._rates.commands_per_connection)

    async def publish(self, meters: ConnectionMeters, user: str) -> None:
        """Counts a publication besides."""
        self._meter("publish:connection", meters.publish, self._rates.publish_per_connection)
        if user and self._publish_per_user is not None:
            await self._take(self._publish_per_user, user)

    async def rpc(self, meters: ConnectionMeters, user: str) -> None:
        """Counts a call, or a message without an answer, besides."""
        self._meter("rpc:connection", meters.rpc, self._rates.rpc_per_connection)
        if user and self._rpc_per_user is not None:
            await self._take(self._rpc_per_user, user)

    # ── HTTP ──────────────────────────────────────────────────────────────────────────────────

    async def http(self, *, host: str = "", user: str = "", api_key: str = "", cost: int = 1) -> None:
        """Counts a request by whatever is known of its sender. `cost` over a burst counts as the burst:
        a batch that is larger must still be possible after a rest.
        """
        for limit, key in (
            (self._http_per_api_key, api_key),
            (self._http_per_user, user),
            (self._http_per_ip, network_of(host) if host else ""),
        ):
            if key and limit is not None:
                await self._take(limit, key, cost=min(cost, limit.rate.burst))

    def _meter(self, name: str, meter: Meter, rate: Rate | None) -> None:
        if rate is not None:
            wait = meter.take(rate, now=self._clock())
            if wait:
                raise TooManyRequests(name, wait)

    async def _take(self, limit: Limit, key: str, *, cost: int = 1) -> None:
        wait = await self._limiter.take(limit, key, cost=cost)
        if wait:
            raise TooManyRequests(limit.name, wait)


def network_of(host: str) -> str:
    """What counts as one sender: an IPv4 address, or a /64 of IPv6. What is no address stays as it is."""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{ipaddress.IPv6Network((address, IPV6_PREFIX), strict=False).network_address}/{IPV6_PREFIX}"


def whole_seconds(wait: float) -> int:
    """As Retry-After has them: never too early."""
    return max(1, math.ceil(wait))


def _limit(name: str, rate: Rate | None) -> Limit | None:
    return None if rate is None else Limit(name, rate)
