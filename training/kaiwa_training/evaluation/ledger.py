"""The verdicts on disk, a line of JSON for each, written as they come."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kaiwa_training.evaluation.errors import EvaluationError
from kaiwa_training.evaluation.judging import Verdict
from kaiwa_training.evaluation.scenes import PlannedCall

_ABOUT = "about"


def fingerprint_of(paths: Iterable[Path]) -> str:
    """Sixteen hexadecimal digits that follow from what is in the files."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class Ledger:
    """All verdicts about one model. Opened again, it knows the calls that are judged already.

    `about` stands for the model and for what it is asked.

    Raises:
        EvaluationError: the file is about another model, or other questions.
    """

    def __init__(self, path: Path, about: str) -> None:
        self._path = path
        self._about = about
        self._verdicts: dict[tuple[str, int], Verdict] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        for record in _records(path):
            if record.pop(_ABOUT) != about:
                raise EvaluationError(
                    f"{path} is about another model or corpus: choose another folder"
                )
            self._take([Verdict(**record)])

    @property
    def verdicts(self) -> list[Verdict]:
        """All of them, in the order in which their calls ended."""
        return list(self._verdicts.values())

    def has(self, planned: PlannedCall) -> bool:
        """Whether all of the call is judged."""
        turns = range(max(1, len(planned.clips)))
        return all((planned.name, turn) in self._verdicts for turn in turns)

    def add(self, verdicts: Sequence[Verdict]) -> None:
        """Writes the verdicts of one call."""
        records = [{_ABOUT: self._about} | asdict(verdict) for verdict in verdicts]
        with self._path.open("a") as file:
            file.write("".join(json.dumps(record) + "\n" for record in records))
        self._take(verdicts)

    def _take(self, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            self._verdicts[verdict.call, verdict.turn] = verdict


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """What the file holds. A last line that was cut off when the machine stopped is taken away."""
    if not path.exists():
        return
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    for line in whole.splitlines():
        yield json.loads(line)
