"""A primary, a replica and the sentinels that watch them: real processes, and a failover as it happens."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from tests.redis_server import RedisServer, find_program
from tests.waiting import wait_until

NAME = "switchboard"
# How long the primary may be silent until it is replaced: far more than this machine ever stalls.
DOWN_AFTER_MILLISECONDS = 1000
START_ATTEMPTS = 5


class SentinelProcess:
    """One sentinel, on a free port."""

    def __init__(self, primary_port: int, *, quorum: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sb-sentinel-", dir="/tmp"))
        for _ in range(START_ATTEMPTS):
            # A free port may be taken by another between looking and starting.
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = int(probe.getsockname()[1])
            if self._start(primary_port, quorum):
                return
        raise RuntimeError(f"the sentinel did not start:\n{(self.folder / 'log').read_text()}")

    def _start(self, primary_port: int, quorum: int) -> bool:
        settings = self.folder / "sentinel.conf"
        settings.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {primary_port} {quorum}\n"
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MILLISECONDS}\n"
            f"sentinel failover-timeout {NAME} 5000\n"
        )
        with (self.folder / "log").open("wb") as output:
            self._process = subprocess.Popen(
                [find_program(), settings, "--sentinel"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.client = redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=5)
        deadline = time.monotonic() + 20
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                return bool(self.client.info("server")["process_id"] == self._process.pid)
            except redis.exceptions.RedisError:
                time.sleep(0.01)
        return False

    def pause(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)

    def kill(self) -> None:
        self.client.close()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class SentinelGroup:
    """As a context manager it runs while that lasts. `host`: an entry of the layer's `hosts`."""

    def __init__(self, *, sentinels: int = 1, **options: Any) -> None:
        self.primary, self.replica = RedisServer(**options), RedisServer(**options)
        self._count = sentinels
        self.sentinels: list[SentinelProcess] = []

    @property
    def host(self) -> dict[str, Any]:
        return {
            "sentinels": [("127.0.0.1", sentinel.port) for sentinel in self.sentinels],
            "master_name": NAME,
        }

    def replace(self, how: Callable[[], object]) -> None:
        """Does `how` to the primary; returns when the replica has been promoted."""
        how()
        wait_until(self._is_replaced)

    def _is_replaced(self) -> bool:
        address = self.sentinels[0].client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        is_known = int(address[1]) == self.replica.port
        return is_known and self.replica.client().info("replication")["role"] == "master"

    def __enter__(self) -> Self:
        self.primary.start()
        self.replica.start()
        try:
            self.replica.client().replicaof("127.0.0.1", self.primary.port)
            wait_until(lambda: self.replica.client().info("replication")["master_link_status"] == "up")
            for _ in range(self._count):
                self.sentinels.append(SentinelProcess(self.primary.port, quorum=1))
            for sentinel in self.sentinels:
                wait_until(partial(_sees_a_replica, sentinel.client))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        for sentinel in self.sentinels:
            sentinel.remove()
        for server in (self.primary, self.replica):
            server.remove()


def _sees_a_replica(client: "redis.Redis") -> bool:
    replicas: Any = client.sentinel_slaves(NAME)
    return bool(replicas) and replicas[0]["master-link-status"] == "ok"
