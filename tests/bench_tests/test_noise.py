"""What makes a run no claim."""

from pathlib import Path

import pytest
from bench.noise import CpuTimes, load_reasons, steal_reasons, step_reasons, verdict
from bench_tests.any_machine import machine


def test_a_machine_that_is_busy_at_the_start_is_noisy() -> None:
    assert load_reasons(machine(0.4)) == []
    assert "the load average was 3.50" in load_reasons(machine(3.5))[0]


def test_time_that_the_host_gives_to_others_is_noise(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 50 800 0 0 0 50 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    before = CpuTimes.now(stat)
    assert (before.total, before.stolen) == (1000, 50)
    assert steal_reasons(before, CpuTimes(2000, 55)) == []
    assert "5.0%" in steal_reasons(before, CpuTimes(2000, 100))[0]


@pytest.mark.parametrize(
    ("core_share", "difference", "said"),
    [(0.99, 0.14, []), (0.5, 0.0, ["had 50%"]), (1.0, 0.2, ["20%"]), (0.5, 0.2, ["50%", "20%"])],
)
def test_steps_are_noise_when_the_core_was_shared_or_the_halves_differ(
    core_share: float, difference: float, said: list[str]
) -> None:
    reasons = step_reasons("ours", core_share, difference)
    assert len(reasons) == len(said)
    assert all(word in reason for word, reason in zip(said, reasons, strict=True))


def test_a_noisy_run_claims_nothing() -> None:
    assert verdict(True, []) == "met"
    assert verdict(False, []) == "missed"
    assert verdict(True, ["busy"]) == verdict(False, ["busy"]) == "not claimed"
    assert verdict(None, ["busy"]) == ""
