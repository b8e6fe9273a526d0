"""Workers at one socket, in one process: who steps back, who takes over, and what a full table does."""

import asyncio
import errno
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from project import acceptor
from project.acceptor import Acceptor, Loads
from tests.waiting import until


@pytest.fixture
def loads() -> Iterator[Loads]:
    """For three workers."""
    with tempfile.TemporaryFile() as memory:
        Loads.allocate(memory.fileno(), 3)
        yield Loads(memory.fileno())


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


class Worker:
    """An acceptor with what it has accepted."""

    def __init__(self, listener: socket.socket, loads: Loads, place: int, *, connections: int = 0) -> None:
        self.accepted: list[asyncio.BaseTransport] = []
        worker = self

        class Keep(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                worker.accepted.append(transport)

        self.acceptor = Acceptor(
            listener.dup(),
            Keep,
            loads=loads,
            place=place,
            connections=lambda: connections + len(self.accepted),
        )

    def close(self) -> None:
        self.acceptor.close()
        for transport in self.accepted:
            transport.close()


@pytest.fixture
async def make_worker(listener: socket.socket, loads: Loads) -> AsyncIterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def make(place: int, **options: int) -> Worker:
        workers.append(Worker(listener, loads, place, **options))
        return workers[-1]

    yield make
    for worker in workers:
        worker.close()
    # Transports close in the loop's next turn.
    await asyncio.sleep(0)


MakeWorker = Callable[..., Worker]


def connect(listener: socket.socket, count: int) -> list[socket.socket]:
    return [socket.create_connection(listener.getsockname()) for _ in range(count)]


def end(clients: list[socket.socket]) -> None:
    for client in clients:
        client.close()


def test_loads_tell_the_least_of_those_who_accept(loads: Loads) -> None:
    assert loads.get_least_of_others(0) is None

    loads.put(0, 0)
    loads.put(1, 7)
    loads.put(2, 5)
    assert [loads.get_least_of_others(place) for place in range(3)] == [5, 0, 0]

    loads.clear(2)
    assert loads.get_least_of_others(0) == 7


async def test_the_emptier_worker_gets_the_connections(
    listener: socket.socket, make_worker: MakeWorker
) -> None:
    full, empty = make_worker(0, connections=100), make_worker(1)

    clients = connect(listener, 20)
    await until(lambda: len(full.accepted) + len(empty.accepted) == 20)

    assert len(empty.accepted) == 20
    end(clients)


async def test_a_full_worker_takes_over_from_one_that_does_not_come(
    listener: socket.socket, loads: Loads, make_worker: MakeWorker
) -> None:
    loads.put(1, 0)
    full = make_worker(0, connections=100)

    clients = connect(listener, 20)

    await until(lambda: len(full.accepted) == 20)
    end(clients)


async def test_equal_workers_end_up_equal(listener: socket.socket, make_worker: MakeWorker) -> None:
    workers = [make_worker(place) for place in range(3)]

    clients = connect(listener, 90)
    await until(lambda: sum(len(worker.accepted) for worker in workers) == 90)

    assert all(abs(len(worker.accepted) - 30) <= 5 for worker in workers)
    end(clients)


async def test_who_closes_leaves_the_socket_to_the_others(
    listener: socket.socket, make_worker: MakeWorker
) -> None:
    leaving, staying = make_worker(0), make_worker(1, connections=100)
    leaving.acceptor.close()

    clients = connect(listener, 5)
    await until(lambda: len(staying.accepted) == 5)

    assert leaving.accepted == []
    end(clients)


async def test_a_used_up_table_is_told_and_tried_again(
    listener: socket.socket,
    make_worker: MakeWorker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(acceptor, "RETRY_SECONDS", 0.01)
    worker = make_worker(0)
    real, failures = worker.acceptor._listener, [errno.EMFILE, errno.ECONNABORTED]

    class Failing:
        def accept(self) -> object:
            if failures:
                number = failures.pop(0)
                raise OSError(number, os.strerror(number))
            return real.accept()

        def fileno(self) -> int:
            return real.fileno()

        def close(self) -> None:
            real.close()

    monkeypatch.setattr(worker.acceptor, "_listener", Failing())
    clients = connect(listener, 1)

    await until(lambda: len(worker.accepted) == 1)
    assert "no connection can be accepted now: Too many open files" in caplog.text
    end(clients)
