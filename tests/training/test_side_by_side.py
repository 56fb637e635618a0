"""Stages that run side by side all end, or all are stopped."""

import sys
from pathlib import Path

import psutil
import pytest
from kaiwa_training.side_by_side import StageFailed, run_side_by_side


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_all_stages_are_run_to_their_ends(tmp_path: Path) -> None:
    # Each waits for the other's file: one after the other they would never end.
    code = "from pathlib import Path; Path({0!r}).touch()\nwhile not Path({1!r}).exists(): pass"
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    run_side_by_side({"one": python(code.format(one, two)), "two": python(code.format(two, one))})


def test_when_one_fails_the_others_are_stopped() -> None:
    before = psutil.Process().children()
    with pytest.raises(StageFailed, match="bad ended with 3"):
        run_side_by_side(
            {"endless": python("while True: pass"), "bad": python("raise SystemExit(3)")}
        )
    assert psutil.Process().children() == before


def test_a_stage_that_cannot_be_started_stops_those_that_were() -> None:
    before = psutil.Process().children()
    with pytest.raises(FileNotFoundError):
        run_side_by_side({"endless": python("while True: pass"), "none": ["no-such-command"]})
    assert psutil.Process().children() == before
