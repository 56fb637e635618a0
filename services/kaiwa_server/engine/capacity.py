"""How many sessions a model carries at once: found by timing its steps, largest batch last.

The number doubles until a step is too slow, and then the gap between the last that fits and the
first that does not is halved. On this way each number is probed by a few steps. What is found is
then judged by as many steps as a 99th percentile takes, and gives way by an eighth until it passes.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

MOST_SLOTS = 64
"""More sessions than this are not admitted by measuring: it takes an explicit number."""

PROBE_STEPS = 10
JUDGED_STEPS = 100
STEPS_OVER = 1
"""So many steps of 100 may be too slow, and their 99th percentile (nearest rank) is not."""

SEARCH_S = 5.0
MEMORY_SHARE = 0.8
"""How much of the free memory the sessions may take; the rest is for a step's own tensors."""

Measure = Callable[[int], Iterator[float]]
"""Times steps of so many sessions, one after the other without an end; in s."""

Limit = Literal["time", "memory", "cap", "search"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What has to hold: the 99th percentile of a step is under `step_s`, and the memory lasts."""

    step_s: float
    slot_bytes: int
    free_bytes: int

    @property
    def memory_slots(self) -> int:
        """How many sessions the memory is enough for."""
        return int(self.free_bytes * MEMORY_SHARE) // self.slot_bytes

    @property
    def most_slots(self) -> int:
        """How many sessions are tried at most."""
        return min(max(self.memory_slots, 1), MOST_SLOTS)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long steps of `slots` sessions took, one after the other."""

    slots: int
    seconds: tuple[float, ...]

    def fits(self, limits: Limits) -> bool:
        """Whether no more of the steps are too slow than may be."""
        return sum(step_s >= limits.step_s for step_s in self.seconds) <= STEPS_OVER

    def percentile_s(self, percent: int) -> float:
        """The smallest time that `percent` of 100 steps do not exceed: the nearest rank."""
        rank = math.ceil(len(self.seconds) * percent / 100)
        return sorted(self.seconds)[rank - 1]


@dataclass(frozen=True, slots=True)
class Capacity:
    """What was found; the last of the timings is that of the `slots` sessions, at least 1.

    `limit` is what stands against more: the time of a step, the memory, `MOST_SLOTS`, or that the
    search took too long to try more.
    """

    slots: int
    limit: Limit
    limits: Limits
    timings: tuple[Timing, ...]

    @property
    def p99_s(self) -> float:
        """The 99th percentile of a step of all the sessions, full contexts."""
        return self.timings[-1].percentile_s(99)

    @property
    def keeps_up(self) -> bool:
        """Whether even one session fits into the time and into the memory."""
        return self.timings[-1].fits(self.limits) and self.limits.memory_slots > 0


def find_capacity(
    measure: Measure, limits: Limits, clock_s: Callable[[], float] = time.monotonic
) -> Capacity:
    """Finds the largest number of sessions that fit; where not even one does, it is 1 as well.

    A number is left at the first step that shows that it does not fit. After `SEARCH_S` no further
    number is probed.
    """
    timings: list[Timing] = []

    def fits(slots: int, steps: int) -> bool:
        timings.append(_timing(measure, slots, steps, limits))
        return timings[-1].fits(limits)

    last_fit, first_unfit = 0, limits.most_slots + 1
    search_ends_s = clock_s() + SEARCH_S
    while clock_s() < search_ends_s and (slots := _next_probe(last_fit, first_unfit, limits)):
        if fits(slots, PROBE_STEPS):
            last_fit = slots
        else:
            first_unfit = slots
    slots = max(last_fit, 1)
    while not fits(slots, JUDGED_STEPS):
        first_unfit = slots
        if slots == 1:
            break
        slots -= max(slots // 8, 1)
    return Capacity(slots, _limit(slots, first_unfit, limits), limits, tuple(timings))


def _next_probe(last_fit: int, first_unfit: int, limits: Limits) -> int | None:
    """The next number of sessions to try; None once the largest is known well enough."""
    if last_fit < limits.most_slots < first_unfit:
        return min(max(2 * last_fit, 1), limits.most_slots)
    if first_unfit - last_fit > max(last_fit // 8, 1):
        return (last_fit + first_unfit) // 2
    return None


def _timing(measure: Measure, slots: int, steps: int, limits: Limits) -> Timing:
    """Takes so many steps, fewer where they are too slow."""
    seconds: list[float] = []
    for step_s in islice(measure(slots), steps):
        seconds.append(step_s)
        timing = Timing(slots, tuple(seconds))
        if not timing.fits(limits):
            break
    return timing


def _limit(slots: int, first_unfit: int, limits: Limits) -> Limit:
    if first_unfit <= limits.most_slots:
        return "time"
    if slots < limits.most_slots:
        return "search"
    return "memory" if slots < MOST_SLOTS else "cap"
