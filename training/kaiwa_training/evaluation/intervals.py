"""How sure a share is: 95% intervals."""

import math
from collections.abc import Sequence

_Z95 = 1.959964


def wilson(right: float, count: int) -> tuple[float, float]:
    """The interval of a share of `count` cases (Wilson, 1927); (0, 1) for no case."""
    if count == 0:
        return 0.0, 1.0
    share, z2 = right / count, _Z95**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    spread = share * (1 - share) / count + z2 / (4 * count**2)
    half = _Z95 * math.sqrt(spread) / (1 + z2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def paired_difference(pairs: Sequence[tuple[bool, bool]]) -> tuple[float, float, float]:
    """By how much the second share is over the first in the same cases, and its interval.

    Only the cases that changed count for the interval (the normal one for paired shares).
    """
    count = len(pairs)
    if count == 0:
        return 0.0, -1.0, 1.0
    won = sum(second and not first for first, second in pairs)
    lost = sum(first and not second for first, second in pairs)
    difference = (won - lost) / count
    half = _Z95 * math.sqrt(max(won + lost - (won - lost) ** 2 / count, 0.0)) / count
    return difference, difference - half, difference + half
