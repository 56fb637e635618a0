"""Intervals are those of the textbooks."""

import pytest
from kaiwa_training.evaluation.intervals import paired_difference, wilson


def test_wilsons_interval() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_of_nothing_nothing_is_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_only_cases_that_changed_make_a_difference_unsure() -> None:
    same = [(True, True)] * 90 + [(False, False)] * 10
    assert paired_difference(same) == (0.0, 0.0, 0.0)
    difference, low, high = paired_difference([*same, (True, False), (True, False), (False, True)])
    assert difference == pytest.approx(-1 / 103)
    assert low < difference < 0 < high
