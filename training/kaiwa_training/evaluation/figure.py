"""A figure of an evaluation: one row of its report."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from kaiwa_training.evaluation.intervals import wilson

T = TypeVar("T")


@dataclass(frozen=True)
class Figure:
    """One row of the report."""

    name: str
    value: float | None
    shown: str
    interval: str = ""
    cases: int = 0
    target: str = ""
    met: bool | None = None
    """None where there is no target."""


def share(name: str, rate: float, cases: int, least: float | None = None) -> Figure:
    """The row of a share, with its interval, which should reach `least` if that is given."""
    low, high = wilson(rate * cases, cases)
    return Figure(
        name,
        rate,
        f"{rate:.1%}",
        f"{low:.1%} to {high:.1%}",
        cases,
        "" if least is None else f">= {least:.0%}",
        None if least is None else rate >= least,
    )


def grouped(things: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    """The things by their key, the keys in order."""
    groups: dict[str, list[T]] = defaultdict(list)
    for thing in things:
        groups[key(thing)].append(thing)
    return {name: groups[name] for name in sorted(groups)}
