"""The measured capacity in an operator's words."""

import logging

from kaiwa_server.engine.capacity import MOST_SLOTS, Capacity, Limits, Timing

_MIB = 2**20

log = logging.getLogger(__name__)

_LIMITS = {
    "time": "steps of more sessions are too slow",
    "memory": "there is no memory for more",
    "cap": f"measuring admits no more than {MOST_SLOTS}, --slots does",
    "search": "the time for trying more was over",
}


def tell(model: str, capacity: Capacity) -> None:
    """Logs what was measured, and warns where not even one session fits."""
    log.info("%s", budget(model, capacity))
    if not capacity.keeps_up:
        log.warning("%s", shortfall(model, capacity))


def budget(model: str, capacity: Capacity) -> str:
    """Gives what was measured, line by line, with what was decided at the end."""
    limits = capacity.limits
    rows = [_row(timing, limits) for timing in capacity.timings]
    return "\n".join(
        (
            f"{model}: steps with full contexts, of which 99 in 100 have to be under "
            f"{limits.step_s * 1000:g} ms",
            "  sessions  steps    p50 ms    p99 ms",
            *rows,
            f"  memory of a session {_mib(limits.slot_bytes)}, free {_mib(limits.free_bytes)}: "
            f"room for {limits.memory_slots}",
            f"  slots: {capacity.slots} ({_LIMITS[capacity.limit]})",
        )
    )


def shortfall(model: str, capacity: Capacity) -> str:
    """Says why not even one session fits, where `capacity.keeps_up` is false."""
    limits, judged = capacity.limits, capacity.timings[-1]
    if judged.fits(limits):
        why = (
            f"memory is short: a session takes {_mib(limits.slot_bytes)}, and "
            f"{_mib(limits.free_bytes)} are free"
        )
    else:
        why = (
            f"this machine is too slow for this model, or busy: a step takes "
            f"{judged.percentile_s(99) * 1000:.1f} ms (p99; median "
            f"{judged.percentile_s(50) * 1000:.1f} ms) in place of {limits.step_s * 1000:g} ms"
        )
    return f"{model}: not even one session fits, one slot is served all the same; {why}"


def _row(timing: Timing, limits: Limits) -> str:
    p50_ms, p99_ms = (timing.percentile_s(percent) * 1000 for percent in (50, 99))
    mark = "" if timing.fits(limits) else "  too slow"
    return f"  {timing.slots:8}  {len(timing.seconds):5}  {p50_ms:8.1f}  {p99_ms:8.1f}{mark}"


def _mib(count_bytes: int) -> str:
    return f"{count_bytes / _MIB:,.1f} MiB"
