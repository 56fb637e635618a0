"""The load generator's figures as a row."""

import os
from typing import Any

import pytest
from bench.load import LoadFailed, load_row, pinned


def run(**overall: Any) -> dict[str, Any]:
    """What `kaiwa bench --json` leaves, as far as it is read."""
    return {
        "load": {"sessions": 32},
        "overall": {
            "mouth_to_ear_p50_ms": 165.0,
            "mouth_to_ear_p99_ms": 172.5,
            "deadline_misses": 1,
            "frames_measured": 900,
            "frames_dropped": 0,
            "refused": {},
            "cut_off": {},
            **overall,
        },
        "generator": {"cpu_percent": 50.0, "is_late": False, "sent_late_p99_ms": 2.0},
        "services": [
            {"name": "gateway", "cpu_percent": 80.0},
            {"name": "codec", "cpu_percent": None},
        ],
    }


def test_what_counts_is_what_is_added_to_the_floor_of_160_ms() -> None:
    row = load_row("gateway", run(), target_ms=20.0)
    assert (row.added_p50_ms, row.added_p99_ms) == (5.0, 12.5)
    assert (row.sessions, row.deadline_misses, row.frames) == (32, 1, 900)
    assert row.met


def test_a_process_that_says_how_much_of_a_core_it_took_is_named() -> None:
    assert load_row("gateway", run()).core_shares == {"gateway": 0.8, "generator": 0.5}


def test_refused_sessions_and_a_late_generator_are_noted() -> None:
    figures = run(refused={"FULL": 2}, frames_dropped=3)
    figures["generator"] |= {"is_late": True, "sent_late_p99_ms": 31.0}
    note = load_row("gateway", figures).note
    assert note == "the generator sent 31 ms late (p99), 2 refused, 3 frames dropped"


def test_a_run_in_which_nothing_was_answered_has_no_row() -> None:
    with pytest.raises(LoadFailed, match="no frame was answered"):
        load_row("gateway", run(mouth_to_ear_p99_ms=None))


def test_a_block_is_pinned_to_its_core_and_what_follows_is_not() -> None:
    own = os.sched_getaffinity(0)
    with pinned(min(own)):
        assert os.sched_getaffinity(0) == {min(own)}
    assert os.sched_getaffinity(0) == own
