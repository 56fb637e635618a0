"""The sessions of a load in numbers."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kaiwa.cli.bench.record import Record
from kaiwa.cli.bench.usage import Usage
from kaiwa.cli.measure import FLOOR_MS, spread
from kaiwa.cli.sound import FRAME_S
from kaiwa.errors import KaiwaError

DEADLINE_MS = FLOOR_MS + 1000 * FRAME_S
"""A frame that comes later than this is heard as a gap by who holds one frame back."""
GENERATOR_LATE_MS = 10.0
"""A generator later than this, at the 99th percentile, has a part in the delays it measures."""


@dataclass(frozen=True, slots=True)
class Overall:
    """All sessions together; the three delays are None when nothing was answered."""

    mouth_to_ear_p50_ms: float | None
    mouth_to_ear_p99_ms: float | None
    mouth_to_ear_max_ms: float | None
    deadline_misses: int
    frames_measured: int
    frames_dropped: int
    frames_late: int
    sessions_opened: int
    refused: Mapping[str, int]
    """How many sessions were never open, by reason."""
    cut_off: Mapping[str, int]
    """How many sessions ended before they should, by reason."""


@dataclass(frozen=True, slots=True)
class Generator(Usage):
    """This process itself; `sent_late` is None when nothing was sent."""

    sent_late_p50_ms: float | None
    sent_late_p99_ms: float | None
    sent_late_max_ms: float | None
    is_late: bool


def overall_of(records: Sequence[Record]) -> Overall:
    """Gives all sessions in numbers."""
    delays_ms = [delay.mouth_to_ear_ms for record in records for delay in record.delays()]
    p50_ms, p99_ms, max_ms = spread(delays_ms)
    summaries = [record.summary for record in records if record.summary is not None]
    return Overall(
        mouth_to_ear_p50_ms=p50_ms,
        mouth_to_ear_p99_ms=p99_ms,
        mouth_to_ear_max_ms=max_ms,
        deadline_misses=sum(delay_ms > DEADLINE_MS for delay_ms in delays_ms),
        frames_measured=len(delays_ms),
        frames_dropped=sum(record.frames_dropped for record in records),
        frames_late=sum(summary.frames_late for summary in summaries),
        sessions_opened=sum(record.ready is not None for record in records),
        refused=_counted(record.refusal for record in records),
        cut_off=_counted(record.cut for record in records),
    )


def generator_of(records: Sequence[Record], usage: Usage) -> Generator:
    """Gives how well this process kept up."""
    late_ms = [late_ms for record in records for late_ms in record.sent_late_ms]
    p50_ms, p99_ms, max_ms = spread(late_ms)
    return Generator(
        cpu_percent=usage.cpu_percent,
        resident_begin_bytes=usage.resident_begin_bytes,
        resident_end_bytes=usage.resident_end_bytes,
        sent_late_p50_ms=p50_ms,
        sent_late_p99_ms=p99_ms,
        sent_late_max_ms=max_ms,
        is_late=p99_ms is not None and p99_ms > GENERATOR_LATE_MS,
    )


def _counted(failures: Iterable[KaiwaError | None]) -> dict[str, int]:
    return dict(Counter(failure.reason for failure in failures if failure is not None))
