"""What a measure is told: which server, how much of everything, which cores. It does nothing by itself."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from tests.benchmarks.processes import Cores, Server, ServerName, redis_environment, running
from tests.benchmarks.report import Bar, Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is done. Each window is repeated `rounds` times, in turn with those it is compared with."""

    subscribers: int
    window_seconds: float
    rounds: int
    idle_connections: int
    connects: int
    # Over Redis: publications whose way to another worker is timed, and those sent around a cut connection.
    latency_samples: int = 0
    cut_samples: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a measure needs to know."""

    server: ServerName
    sizes: Sizes
    cores: Cores | None
    has_bars: bool
    progress: Callable[[str], None]
    # Whose figures these are in the report, where it is not simply the server's.
    section: str = ""

    def figure(
        self,
        measure: str,
        name: str,
        value: float,
        unit: str,
        *,
        bar: Bar | None = None,
        note: str = "",
        column: str = "",
    ) -> Figure:
        """Make a figure of the planned server."""
        return Figure(
            server=self.section or self.server,
            measure=measure,
            name=name,
            value=value,
            unit=unit,
            bar=bar if self.has_bars else None,
            note=note,
            column=column,
        )

    def running(self, *, redis_url: str = "") -> AbstractAsyncContextManager[Server]:
        """Start the planned server, its topics in Redis where there is a URL."""
        return running(self.server, cores=self.cores, environment=redis_environment(redis_url))
