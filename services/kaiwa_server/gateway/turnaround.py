"""How long answers take: percentiles in a memory that does not grow with the call."""

import numpy as np

_BIN_MS = 0.5
_BINS = 4_000


class Turnaround:
    """A histogram of times in bins of half a millisecond; times over 2 s count as 2 s."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, np.int64)

    def add(self, time_ms: float) -> None:
        """Counts one time."""
        self._counts[min(max(int(time_ms / _BIN_MS), 0), _BINS - 1)] += 1

    def percentile(self, percent: float) -> float:
        """Gives the time in ms that `percent` of the times do not exceed, to half a millisecond.

        It is 0 when nothing was counted.
        """
        ranks = np.cumsum(self._counts)
        total = int(ranks[-1])
        if total == 0:
            return 0.0
        return float(np.searchsorted(ranks, total * percent / 100) + 1) * _BIN_MS
