"""Time that tests move."""


class SimulatedTime:
    """A clock that only moves when somebody sleeps, and then a little too far."""

    def __init__(self, oversleep_s: float = 0.0) -> None:
        self.now_s = 1_000.0
        self.oversleep_s = oversleep_s

    def clock(self) -> float:
        return self.now_s

    async def sleep(self, duration_s: float) -> None:
        assert duration_s > 0
        self.now_s += duration_s + self.oversleep_s
