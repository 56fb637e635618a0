"""What turns say of a program, and of two beside each other."""

import pytest
from bench.stats import core_share, cpu_ratio, halves_difference, step_times, wall_ratio
from bench.timing import Turn


def turn(*wall_ms: float, share: float = 1.0) -> Turn:
    return Turn(wall_ms, tuple(share * time for time in wall_ms))


def test_percentiles_are_of_all_rounds_together() -> None:
    times = step_times([turn(1.0, 2.0), turn(3.0, 4.0, 5.0)])
    assert (times.p50_ms, times.steps) == (3.0, 5)
    assert times.p99_ms == pytest.approx(4.96)


def test_a_ratio_is_the_median_of_the_ratios_of_the_rounds() -> None:
    # The machine is three times slower in the second round, for both.
    ours = [turn(10.0), turn(30.0), turn(10.0)]
    peer = [turn(20.0), turn(60.0), turn(25.0)]
    assert wall_ratio(ours, peer).median == 2.0


def test_a_ratio_says_how_far_its_rounds_are_apart() -> None:
    ours = [turn(10.0)] * 11
    peer = [turn(10.0 + number) for number in range(11)]
    ratio = wall_ratio(ours, peer)
    assert (ratio.p10, ratio.median, ratio.p90) == pytest.approx((1.1, 1.5, 1.9))


def test_the_ratio_by_cpu_time_leaves_out_what_others_had_of_the_core() -> None:
    ours, peer = [turn(40.0, share=0.25)], [turn(20.0, share=1.0)]
    assert wall_ratio(ours, peer).median == 0.5
    assert cpu_ratio(ours, peer).median == 2.0


def test_two_halves_differ_by_the_share_by_which_the_slower_is_slower() -> None:
    assert halves_difference([turn(10.0), turn(10.0), turn(12.0), turn(12.0)]) == pytest.approx(0.2)
    assert halves_difference([turn(12.0), turn(10.0)]) == pytest.approx(0.2)


def test_one_round_has_no_halves_that_differ() -> None:
    assert halves_difference([turn(10.0, 30.0)]) == 0.0


def test_the_share_of_the_core_is_of_all_timed_steps() -> None:
    assert core_share([turn(10.0, share=1.0), turn(30.0, share=0.5)]) == pytest.approx(0.625)
