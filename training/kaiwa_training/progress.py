"""How a long stage shows where it is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

EVERY_S = 15.0


@contextmanager
def shown(name: str, steps: int) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """A function that is told each step and its figures, and prints a line now and then.

    Lines rather than a bar, since several stages share a terminal and logs are read afterwards.
    """
    console = Console()
    begun, first, last = time.monotonic(), None, 0.0

    def show(step: int, figures: dict[str, float]) -> None:
        nonlocal first, last
        now = time.monotonic()
        first = step if first is None else first
        if now - last < EVERY_S and step < steps and "both_meaning_accuracy" not in figures:
            return
        last = now
        left_s = (now - begun) / max(1, step - first) * (steps - step)
        told = "  ".join(f"{key} {value:.3f}" for key, value in figures.items())
        console.print(f"{name} {step}/{steps}, {left_s / 60:.0f} min left  {told}", soft_wrap=True)

    yield show
