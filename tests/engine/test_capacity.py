"""How many sessions are admitted, on machines whose step times the tests make up."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from kaiwa_server.engine.capacity import (
    JUDGED_STEPS,
    MOST_SLOTS,
    SEARCH_S,
    Capacity,
    Limits,
    Timing,
    find_capacity,
)

LIMITS = Limits(step_s=0.064, slot_bytes=1, free_bytes=10_000)


class Machine:
    """Takes as long for a step as it is told; its clock moves by nothing else."""

    def __init__(self, step_s: Callable[[int, int], float]) -> None:
        """`step_s` is given the number of sessions and of the step, from 0 for each size."""
        self.now_s = 0.0
        self.steps: Counter[int] = Counter()
        self._step_s = step_s

    def clock_s(self) -> float:
        return self.now_s

    def measure(self, slots: int) -> Iterator[float]:
        while True:
            step_s = self._step_s(slots, self.steps[slots])
            self.steps[slots] += 1
            self.now_s += step_s
            yield step_s

    def capacity(self, limits: Limits = LIMITS) -> Capacity:
        return find_capacity(self.measure, limits, self.clock_s)


def linear(fixed_s: float, session_s: float) -> Machine:
    return Machine(lambda slots, _: fixed_s + session_s * slots)


@pytest.mark.parametrize("most", range(1, 64))
def test_it_admits_the_most_that_fit_or_little_less(most: int) -> None:
    machine = linear(0.004, 0.06 / (most + 0.5))
    capacity = machine.capacity()
    assert most * 8 // 9 <= capacity.slots <= most
    assert capacity.limit == "time"
    assert capacity.keeps_up
    assert 0.03 < capacity.p99_s < 0.064


def test_it_starts_small_and_stops_at_the_first_that_does_not_fit() -> None:
    machine = linear(0.0, 0.064 / 11.5)
    sizes = [timing.slots for timing in machine.capacity().timings]
    assert sizes == [1, 2, 4, 8, 16, 12, 10, 11, 11]
    assert machine.steps[16] == 2


def test_a_size_is_judged_by_its_99th_percentile_and_not_by_its_median() -> None:
    """Two steps of a hundred take twice as long, in every size."""
    machine = Machine(lambda slots, step: 0.001 * slots * (2 if step % 50 == 49 else 1))
    capacity = machine.capacity()
    assert 28 <= capacity.slots <= 31
    assert len(capacity.timings[-1].seconds) == JUDGED_STEPS


def test_one_slow_step_of_a_hundred_is_within_the_99th_percentile() -> None:
    machine = Machine(lambda _, step: 0.5 if step == 3 else 0.001)
    capacity = machine.capacity()
    assert capacity.slots == MOST_SLOTS
    assert capacity.p99_s == 0.001


def test_the_nearest_rank_is_a_time_that_was_measured() -> None:
    timing = Timing(1, tuple(float(step) for step in range(100, 0, -1)))
    assert (timing.percentile_s(50), timing.percentile_s(99)) == (50.0, 99.0)
    assert Timing(1, (3.0, 1.0, 2.0)).percentile_s(99) == 3.0


@pytest.mark.parametrize("room", [1, 2, 3, 35, 63])
def test_memory_bounds_what_is_tried(room: int) -> None:
    machine = linear(0.001, 0.0001)
    capacity = machine.capacity(replace(LIMITS, slot_bytes=80, free_bytes=room * 100 + 7))
    assert (capacity.slots, capacity.limit) == (room, "memory")
    assert max(machine.steps) == room


def test_a_fast_machine_is_admitted_no_more_than_the_cap() -> None:
    machine = linear(0.001, 0.0)
    capacity = machine.capacity()
    assert (capacity.slots, capacity.limit) == (MOST_SLOTS, "cap")
    assert max(machine.steps) == MOST_SLOTS


def test_where_one_session_is_too_slow_it_says_so_and_takes_one_soon() -> None:
    machine = linear(3.0, 0.1)
    capacity = machine.capacity()
    assert (capacity.slots, capacity.limit, capacity.keeps_up) == (1, "time", False)
    assert capacity.p99_s == pytest.approx(3.1)
    assert sum(machine.steps.values()) == 4


def test_where_memory_is_short_of_one_session_it_says_so_and_takes_one() -> None:
    capacity = linear(0.001, 0.001).capacity(replace(LIMITS, slot_bytes=9_000))
    assert (capacity.slots, capacity.limit, capacity.keeps_up) == (1, "memory", False)


def test_a_search_that_takes_long_is_left_with_what_it_found() -> None:
    """With budgets of seconds, as nobody has them, the search itself would go on for minutes."""
    machine = linear(0.9, 0.001)
    capacity = machine.capacity(replace(LIMITS, step_s=2.0))
    assert (capacity.slots, capacity.limit, capacity.keeps_up) == (1, "search", True)


@pytest.mark.parametrize("most", [1, 5, 20, 50])
def test_it_takes_no_longer_than_the_search_and_a_hundred_steps(most: int) -> None:
    machine = linear(0.0, 0.064 / (most + 0.5))
    machine.capacity()
    assert machine.now_s < SEARCH_S + JUDGED_STEPS * 0.064


def test_no_more_than_one_size_is_held_at_a_time() -> None:
    """What measures a size holds its memory, and lets go of it when it is closed."""
    held: list[int] = []

    def measure(slots: int) -> Iterator[float]:
        assert not held
        held.append(slots)
        try:
            while True:
                yield 0.001
        finally:
            held.remove(slots)

    assert find_capacity(measure, LIMITS).slots == MOST_SLOTS
    assert not held
