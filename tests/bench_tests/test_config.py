"""What the command line asks for."""

import os

import pytest
from bench.config import FULL, PARTS, QUICK, parse


def test_all_parts_are_run_with_every_variant_unless_something_else_is_said() -> None:
    config = parse([])
    assert (config.parts, config.effort, config.quick) == (PARTS, FULL, False)
    assert config.variants[0] == "fp32"
    assert len(config.variants) > 1


def test_a_quick_run_has_the_exact_variant_only() -> None:
    config = parse(["--quick", "--part", "codec", "--part", "lm"])
    assert (config.parts, config.effort, config.variants) == (("codec", "lm"), QUICK, ("fp32",))


def test_what_makes_the_load_has_a_core_of_its_own_where_there_are_two() -> None:
    config = parse([])
    assert {config.core, config.load_core} <= os.sched_getaffinity(0)
    assert config.core != config.load_core or len(os.sched_getaffinity(0)) == 1


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(SystemExit):
        parse(["--part", "weather"])
