"""Every limit that a server has, and what it is unless the settings say otherwise."""

from dataclasses import dataclass, field, fields

from realtime.rate_limits.rate import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """None: no limit. The defaults are several times what a client in good faith does in its worst moment:
    all tabs of a user, or all users behind one address, come back after a deploy, subscribe to all of
    their topics and send what has waited.
    """

    # An address may be a whole school's, or that of a proxy that TRUSTED_PROXIES does not name.
    connect_per_ip: Rate | None = field(default=Rate(100, period_seconds=1, burst=2000))
    connect_per_user: Rate | None = field(default=Rate(10, period_seconds=1, burst=300))
    publish_per_connection: Rate | None = field(default=Rate(100, period_seconds=1, burst=1000))
    publish_per_user: Rate | None = field(default=Rate(200, period_seconds=1, burst=2000))
    rpc_per_connection: Rate | None = field(default=Rate(50, period_seconds=1, burst=500))
    rpc_per_user: Rate | None = field(default=Rate(100, period_seconds=1, burst=1000))
    # Of whatever kind. Who comes back to 128 topics asks for their history and presence, too.
    commands_per_connection: Rate | None = field(default=Rate(200, period_seconds=1, burst=2000))
    http_per_ip: Rate | None = field(default=Rate(100, period_seconds=1, burst=2000))
    http_per_user: Rate | None = field(default=Rate(50, period_seconds=1, burst=500))
    # They are other servers'.
    http_per_api_key: Rate | None = field(default=Rate(2000, period_seconds=1, burst=10_000))


# All off.
NO_RATES = Rates(**{each.name: None for each in fields(Rates)})
