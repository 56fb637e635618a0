"""Programs in turns on one core, so that what slows the machine slows them all."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol


class Program(Protocol):
    """Something whose steps are timed."""

    name: str

    def step(self) -> None:
        """One frame of 80 ms for each of its sessions."""


class Clock(Protocol):
    """Tells two times, in seconds: of the wall, and what this process has had of its cores."""

    def wall_s(self) -> float: ...

    def cpu_s(self) -> float: ...


class RealClock:
    """The clocks of the machine."""

    def wall_s(self) -> float:
        return time.perf_counter()

    def cpu_s(self) -> float:
        return time.process_time()


@dataclass(frozen=True)
class Turn:
    """The timed steps of one program in one round, in ms."""

    wall_ms: tuple[float, ...]
    cpu_ms: tuple[float, ...]


def take_turns(
    programs: Sequence[Program], rounds: int, steps: int, warmup_steps: int, clock: Clock
) -> dict[str, list[Turn]]:
    """Gives each program a turn in each round; the order is turned round from round to round."""
    turns: dict[str, list[Turn]] = {program.name: [] for program in programs}
    for number in range(rounds):
        # Nobody is always the one that comes after the slowest.
        order = programs if number % 2 == 0 else programs[::-1]
        for program in order:
            for _ in range(warmup_steps):
                program.step()
            turns[program.name].append(_turn(program, steps, clock))
    return turns


def _turn(program: Program, steps: int, clock: Clock) -> Turn:
    walls_s, cpus_s = [clock.wall_s()], [clock.cpu_s()]
    for _ in range(steps):
        program.step()
        walls_s.append(clock.wall_s())
        cpus_s.append(clock.cpu_s())
    return Turn(_differences_ms(walls_s), _differences_ms(cpus_s))


def _differences_ms(times_s: Sequence[float]) -> tuple[float, ...]:
    return tuple((after - before) * 1000 for before, after in pairwise(times_s))
