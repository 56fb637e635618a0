"""The rate of learning rises at first and then falls to a small one."""

from itertools import pairwise

import pytest
from kaiwa_training.schedule import learning_rate

STEPS, WARM_UP, TOP = 1_000, 50, 0.3


def rates(steps: int = STEPS) -> list[float]:
    return [learning_rate(step, top=TOP, steps=steps, warm_up=WARM_UP) for step in range(steps)]


def test_it_rises_evenly_to_the_top_over_the_warm_up() -> None:
    rising = rates()[:WARM_UP]
    assert rising[0] == pytest.approx(TOP / WARM_UP)
    assert rising[-1] == pytest.approx(TOP)
    steps = [after - before for before, after in pairwise(rising)]
    assert steps == pytest.approx([TOP / WARM_UP] * (WARM_UP - 1))


def test_it_then_falls_without_a_jump_to_a_thirtieth() -> None:
    falling = rates()[WARM_UP:]
    assert falling[0] == pytest.approx(TOP)
    assert all(0 <= before - after < TOP / 400 for before, after in pairwise(falling))
    assert falling[-1] == pytest.approx(TOP / 30, rel=1e-3)


def test_it_is_halfway_down_at_half_the_time() -> None:
    middle = (WARM_UP + STEPS) // 2
    assert rates()[middle] == pytest.approx((TOP + TOP / 30) / 2)


def test_after_its_end_it_stays_small() -> None:
    late = learning_rate(3 * STEPS, top=TOP, steps=STEPS, warm_up=WARM_UP)
    assert late == pytest.approx(TOP / 30)


def test_a_training_shorter_than_its_warm_up_only_rises() -> None:
    short = rates(steps=20)
    assert all(after > before for before, after in pairwise(short))
    assert learning_rate(WARM_UP, top=TOP, steps=WARM_UP, warm_up=WARM_UP) == pytest.approx(TOP)
