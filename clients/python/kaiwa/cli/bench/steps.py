"""The steps of a loop, as a Prometheus histogram tells them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Steps:
    """How many steps took at most how long: by upper bound in s, infinity included."""

    counts: Mapping[float, float]

    @property
    def total(self) -> int:
        """How many there were."""
        return int(self.counts.get(math.inf, 0))

    def since(self, before: "Steps") -> "Steps":
        """Gives those that came after."""
        earlier = before.counts
        return Steps({bound: n - earlier.get(bound, 0) for bound, n in self.counts.items()})

    def quantile_ms(self, share: float) -> float | None:
        """Gives what this share of the steps stayed within; None when there were none.

        As Prometheus does it: even within a bucket, and no more than the largest finite bound.
        """
        if not self.total:
            return None
        wanted, low_s, below = share * self.total, 0.0, 0.0
        for bound_s, count in sorted(self.counts.items()):
            if math.isinf(bound_s):
                break
            if count >= wanted and count > below:
                inside = (wanted - below) / (count - below)
                return 1000 * (low_s + inside * (bound_s - low_s))
            low_s, below = bound_s, count
        return 1000 * low_s
