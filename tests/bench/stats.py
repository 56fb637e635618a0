"""What turns say: percentiles, ratios, and whether they hold still."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from bench.timing import Turn

HALVES_TOLERANCE = 0.15


@dataclass(frozen=True)
class StepTimes:
    """A program's steps, all rounds together, in ms; `cpu` is what the process had of its core."""

    p50_ms: float
    p99_ms: float
    cpu_p50_ms: float
    steps: int


@dataclass(frozen=True)
class Ratio:
    """How many times sooner ours is done: the median of the rounds, and their spread."""

    median: float
    p10: float
    p90: float


def step_times(turns: Sequence[Turn]) -> StepTimes:
    """All steps of a program in numbers."""
    walls = [time for turn in turns for time in turn.wall_ms]
    cpus = [time for turn in turns for time in turn.cpu_ms]
    p50, p99 = np.percentile(walls, [50, 99])
    return StepTimes(float(p50), float(p99), float(np.median(cpus)), len(walls))


def wall_ratio(ours: Sequence[Turn], peer: Sequence[Turn]) -> Ratio:
    """The peer's time over ours, round by round."""
    return _ratio([turn.wall_ms for turn in ours], [turn.wall_ms for turn in peer])


def cpu_ratio(ours: Sequence[Turn], peer: Sequence[Turn]) -> Ratio:
    """The same of what each had of its core, which a busy machine changes less."""
    return _ratio([turn.cpu_ms for turn in ours], [turn.cpu_ms for turn in peer])


def _ratio(ours: Sequence[Sequence[float]], peer: Sequence[Sequence[float]]) -> Ratio:
    pairs = zip(ours, peer, strict=True)
    ratios = [np.median(theirs) / np.median(mine) for mine, theirs in pairs]
    p10, p50, p90 = np.percentile(ratios, [10, 50, 90])
    return Ratio(float(p50), float(p10), float(p90))


def halves_difference(turns: Sequence[Turn]) -> float:
    """By what share the medians of a program's earlier and later rounds differ."""
    middle = len(turns) // 2
    halves = [step_times(half).p50_ms for half in (turns[:middle], turns[middle:]) if half]
    return max(halves) / min(halves) - 1


def core_share(turns: Sequence[Turn]) -> float:
    """How much of its core a program had while it was timed; 1 is all of it."""
    wall = sum(time for turn in turns for time in turn.wall_ms)
    return sum(time for turn in turns for time in turn.cpu_ms) / wall
