"""One Redis server of a layer for code without an event loop: views, commands, tasks. Pooled connections.

Safe in threads, and after a fork: redis-py's pool begins anew in the child.
"""

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from redis import BlockingConnectionPool, Connection, ConnectionPool
from redis.connection import parse_url
from redis.exceptions import (
    ConnectionError,  # noqa: A004  # redis' own, which is no OSError.
    NoPermissionError,
    NoScriptError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,  # noqa: A004  # Likewise.
)
from redis.sentinel import Sentinel, SentinelConnectionPool

from realtime.errors import LayerUnavailable
from realtime.redis.identity import INFO_IS_NEEDED, INFO_SECTIONS, ServerIdentity, is_of_replica
from realtime.redis.link import ANSWER_TIMEOUT_SECONDS, Argument
from realtime.redis.options import connection_options
from realtime.redis.script import Script

# Servers of views have some 40 threads.
MAX_CONNECTIONS = 64


class BlockingShard:
    """`host` is an entry of channels-redis' `hosts`, decoded."""

    def __init__(self, host: Mapping[str, Any]) -> None:
        # What is at the other end of each connection, asked when it is made.
        self._identities: weakref.WeakKeyDictionary[Connection, ServerIdentity] = weakref.WeakKeyDictionary()
        self._pool = _make_pool(host, on_connect=self._greet)

    def call(self, *arguments: Argument) -> Any:
        """One command and its raw answer. Raises LayerUnavailable, and redis' ResponseError."""
        with self._connection() as connection:
            return _ask(connection, *arguments)

    def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """As call(), for a script."""
        with self._connection() as connection:
            rest = (len(keys), *keys, *arguments, *self._identities[connection].arguments)
            try:
                return _ask(connection, "EVALSHA", script.digest, *rest)
            except NoScriptError:
                return _ask(connection, "EVAL", script.source, *rest)

    def close(self) -> None:
        """All connections. The next use begins anew."""
        self._pool.disconnect()
        if isinstance(self._pool, SentinelConnectionPool):
            self._pool.sentinel_manager.close()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            connection = self._pool.get_connection()
        except (ConnectionError, TimeoutError, ReadOnlyError, OSError) as error:
            raise LayerUnavailable(f"Redis is away: {error}") from error
        try:
            yield connection
        except (ConnectionError, TimeoutError, OSError, ResponseError) as error:
            if isinstance(error, ResponseError) and not is_of_replica(error):
                raise
            # Where the server is a replica now, a new connection finds the primary.
            connection.disconnect()
            raise LayerUnavailable(f"Redis is away: {error}") from error
        finally:
            self._pool.release(connection)

    def _greet(self, connection: Connection) -> None:
        connection.on_connect()
        try:
            sections = [_ask(connection, "INFO", section) for section in INFO_SECTIONS]
        except NoPermissionError as error:
            raise ConnectionError(f"{error}: {INFO_IS_NEEDED}") from error
        self._identities[connection] = ServerIdentity.from_info(*sections)


def _ask(connection: Connection, *arguments: Argument) -> Any:
    connection.send_command(*arguments, check_health=False)
    return connection.read_response()


def _make_pool(host: Mapping[str, Any], *, on_connect: Callable[[Connection], None]) -> ConnectionPool:
    """As channels-redis does for asyncio."""
    own = {
        "protocol": 2,
        "decode_responses": False,
        "socket_timeout": ANSWER_TIMEOUT_SECONDS,
        "socket_connect_timeout": ANSWER_TIMEOUT_SECONDS,
        "health_check_interval": 0,
        "redis_connect_func": on_connect,
    }
    options = connection_options(host, parse_url=parse_url, own=own)
    master_name = options.pop("master_name", None)
    if master_name is not None:
        sentinel = Sentinel(options.pop("sentinels"), sentinel_kwargs=options.pop("sentinel_kwargs"))
        return SentinelConnectionPool(master_name, sentinel, **options)
    # Threads beyond MAX_CONNECTIONS wait for one another, and no longer than for an answer.
    return BlockingConnectionPool(
        **{**options, "max_connections": MAX_CONNECTIONS, "timeout": ANSWER_TIMEOUT_SECONDS}
    )
