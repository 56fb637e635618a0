"""When a conversation falls behind its time, and when it is in time again."""

from kaiwa_server.gateway.outputs import Lag

LATE_ABOVE_MS = 240.0
IN_TIME_BELOW_MS = 80.0


class LagWatch:
    """Notices when the lag gets above 240 ms, and when it is below 80 ms again."""

    def __init__(self) -> None:
        self._behind = False

    def see(self, step: int, lag_ms: float) -> Lag | None:
        """Takes the lag of a step's frame; gives what is to be told of it."""
        behind = lag_ms > (IN_TIME_BELOW_MS if self._behind else LATE_ABOVE_MS)
        if behind == self._behind:
            return None
        self._behind = behind
        return Lag(step, lag_ms)
