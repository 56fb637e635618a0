from kaiwa_server.engine.capacity import Capacity, Limits, Timing
from kaiwa_server.engine.capacity_report import budget, shortfall

LIMITS = Limits(step_s=0.064, slot_bytes=3 * 2**19, free_bytes=2**31)


def test_the_budget_says_what_was_measured_and_what_limits() -> None:
    timings = (
        Timing(1, (0.010,) * 10),
        Timing(2, (0.070, 0.0712)),
        Timing(1, (0.0105,) * 98 + (0.0201, 0.5)),
    )
    assert budget("LM", Capacity(1, "time", LIMITS, timings)).splitlines() == [
        "LM: steps with full contexts, of which 99 in 100 have to be under 64 ms",
        "  sessions  steps    p50 ms    p99 ms",
        "         1     10      10.0      10.0",
        "         2      2      70.0      71.2  too slow",
        "         1    100      10.5      20.1",
        "  memory of a session 1.5 MiB, free 2,048.0 MiB: room for 1092",
        "  slots: 1 (steps of more sessions are too slow)",
    ]


def test_a_machine_that_is_too_slow_is_told_so_with_figures() -> None:
    capacity = Capacity(1, "time", LIMITS, (Timing(1, (0.1, 0.2)),))
    assert not capacity.keeps_up
    assert shortfall("LM", capacity) == (
        "LM: not even one session fits, one slot is served all the same; this machine is too slow "
        "for this model, or busy: a step takes 200.0 ms (p99; median 100.0 ms) in place of 64 ms"
    )


def test_a_machine_without_the_memory_is_told_so_with_figures() -> None:
    limits = Limits(step_s=0.064, slot_bytes=2**31, free_bytes=2**30)
    capacity = Capacity(1, "memory", limits, (Timing(1, (0.01,)),))
    assert not capacity.keeps_up
    assert shortfall("LM", capacity) == (
        "LM: not even one session fits, one slot is served all the same; memory is short: a "
        "session takes 2,048.0 MiB, and 1,024.0 MiB are free"
    )
