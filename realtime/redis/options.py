"""What redis-py is told of a host: the project's options, and those that are the connections' own."""

from collections.abc import Callable, Mapping
from typing import Any

# A sentinel that is silent, as its machine died together with the primary's, must leave the time to ask
# the next ones within one attempt to connect (see link.py). redis-py would wait for 5 s, four times.
SENTINEL_OPTIONS = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0, "retry": None}


def connection_options(
    host: Mapping[str, Any], *, parse_url: Callable[[str], Mapping[str, Any]], own: Mapping[str, Any]
) -> dict[str, Any]:
    """`host` is an entry of channels-redis' `hosts`, decoded; its address may have options as well.

    `own` goes before all of them: a link could not read answers by another protocol, for one.
    """
    options = dict(host)
    address = options.pop("address", None)
    if address is not None:
        options.update(parse_url(address))
    if options.get("master_name") is not None:
        options["sentinel_kwargs"] = {**SENTINEL_OPTIONS, **(options.get("sentinel_kwargs") or {})}
    return {**options, **own}
