"""A clock that stands still until it is told to go on."""


class ManualClock:
    """Call it for the seconds, as `time.time` or `time.monotonic`."""

    def __init__(self, seconds: float = 0) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"a clock goes forward; got {seconds} seconds")
        self.seconds += seconds
