"""What a run of the load comes to, and what keeps it from being clean."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from kaiwa.cli.bench.figures import GENERATOR_LATE_MS, Generator, Overall
from kaiwa.cli.bench.load import Load
from kaiwa.cli.bench.record import Record
from kaiwa.cli.bench.usage import ServiceUsage

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Report:
    """Every figure of a run."""

    load: Load
    model: str | None
    """What the sessions talked with; None when none was open."""
    interrupted: bool
    overall: Overall
    generator: Generator
    services: tuple[ServiceUsage, ...]
    sentences: Mapping[str, str]
    """For each reason for which a session was refused or cut off, what it was told."""

    def flaws(self) -> list[str]:
        """Gives why the run is not clean, a sentence for each reason; empty when it is."""
        flaws = [
            f"{_sessions(count)} {what}: {reason}: {self.sentences[reason]}"
            for what, counts in (
                ("refused", self.overall.refused),
                ("cut off", self.overall.cut_off),
            )
            for reason, count in counts.items()
        ]
        if self.overall.frames_dropped:
            flaws.append(f"dropped frames: {self.overall.frames_dropped}; they came too fast")
        if self.generator.is_late:
            flaws.append(
                f"the generator itself was late: p99 {self.generator.sent_late_p99_ms:.0f} ms, "
                f"over {GENERATOR_LATE_MS:.0f}; the delays are partly its own, so give it a core "
                "or fewer sessions"
            )
        return flaws

    def document(self) -> dict[str, object]:
        """Gives all of it as JSON has it."""
        flaws = self.flaws()
        return {"format": FORMAT, "clean": not flaws, "flaws": flaws, **asdict(self)}


def sentences_of(records: Iterable[Record]) -> dict[str, str]:
    """Gives for each reason the first sentence that came with it."""
    sentences: dict[str, str] = {}
    for record in records:
        if record.failure is not None:
            sentences.setdefault(record.failure.reason, str(record.failure))
    return sentences


def _sessions(count: int) -> str:
    return "1 session" if count == 1 else f"{count} sessions"
