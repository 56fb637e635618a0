"""How clear the voices are, how fast a frame is, and whether the calls kept pace."""

from collections.abc import Sequence

import numpy as np

from kaiwa_training.evaluation.figure import Figure, grouped
from kaiwa_training.evaluation.judging import Verdict
from kaiwa_training.evaluation.readings import Reading, errors_of
from kaiwa_training.evaluation.targets import Targets
from kaiwa_training.evaluation.timing import FrameTimes


def reply_figures(readings: Sequence[Reading], targets: Targets) -> list[Figure]:
    """Word errors in the live replies and in the original voice."""
    if not readings:
        return []
    rate, most = errors_of(readings)[1].rate, targets.replies_word_errors
    cases, wanted = len(readings), f"< {most:.0%}"
    return [
        Figure("live replies: word errors", rate, f"{rate:.1%}", "", cases, wanted, rate < most),
        _ratio("live replies, against the original", readings, targets.replies_over_original),
    ]


def codec_figures(readings: Sequence[Reading], targets: Targets) -> list[Figure]:
    """Word errors in held-out sentences after the codec, against before: all, then by voices."""
    if not readings:
        return []
    most = targets.codec_over_original
    voices = grouped(readings, lambda reading: reading.voices)
    return [
        _ratio("codec alone, against the original", readings, most),
        *(_ratio(f"codec alone: {name}", group) for name, group in voices.items()),
    ]


def machine_figures(
    times: FrameTimes | None, checkpoint_bytes: int, targets: Targets
) -> list[Figure]:
    """The time for a frame on one core, and the size of the checkpoint."""
    megabytes, most = checkpoint_bytes / 1e6, targets.checkpoint_bytes
    size = Figure(
        name="checkpoint, all files",
        value=megabytes,
        shown=f"{megabytes:.1f} MB",
        target=f"< {most / 1e6:.0f} MB",
        met=checkpoint_bytes < most,
    )
    return [size] if times is None else [*_frame_figures(times, targets.frame_ms), size]


def pace_figures(verdicts: Sequence[Verdict]) -> list[Figure]:
    """Whether the calls went at live pace; if they did not, the judge disturbed the judged."""
    calls = list({verdict.call: verdict for verdict in verdicts}.values())
    if not calls:
        return []
    count = len(calls)
    dropped = sum(call.frames_dropped > 0 for call in calls)
    late = sum(call.frames_late for call in calls)
    lag_ms = float(np.median([call.lag_p99_ms for call in calls]))
    sent_ms = max(call.sent_late_ms for call in calls)
    return [
        Figure("calls with dropped frames", dropped, f"{dropped}", "", count, "0", dropped == 0),
        Figure("late frames", late, f"{late}", "", count, "0", late == 0),
        Figure("lag, 99th percentile in the median call", lag_ms, f"{lag_ms:.0f} ms", "", count),
        Figure("latest packet of a caller", sent_ms, f"{sent_ms:.0f} ms", "", count),
    ]


def _frame_figures(times: FrameTimes, most_ms: float) -> list[Figure]:
    p50_ms, p99_ms, count = times.total_p50_ms, times.total_p99_ms, times.frames
    parts = (
        f"encode {times.encode_p50_ms:.1f}, step {times.step_p50_ms:.1f}, "
        f"decode {times.decode_p50_ms:.1f}; load {times.load:.1f}"
    )
    name, wanted = "a frame on one core", f"< {most_ms:g} ms"
    return [
        Figure(
            f"{name}, median", p50_ms, f"{p50_ms:.1f} ms", parts, count, wanted, p50_ms < most_ms
        ),
        Figure(f"{name}, 99th percentile", p99_ms, f"{p99_ms:.1f} ms", "", count),
    ]


def _ratio(name: str, readings: Sequence[Reading], most: float | None = None) -> Figure:
    originals, copies = errors_of(readings)
    ratio = copies.rate / originals.rate if originals.errors else None
    return Figure(
        name,
        ratio,
        "no errors before" if ratio is None else f"{ratio:.2f} times",
        f"word errors {originals.rate:.1%} before, {copies.rate:.1%} after",
        len(readings),
        "" if most is None else f"<= {most:g} times",
        None if most is None else copies.rate <= most * originals.rate,
    )
