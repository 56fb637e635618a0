"""What the recogniser reads in a copy of a voice, beside what it reads in the original."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from kaiwa_training.evaluation.clips import Clip, Samples
from kaiwa_training.evaluation.word_errors import WordErrors, total


class Reader(Protocol):
    """What reads speech."""

    def read(self, samples: Samples) -> str:
        """The words in float32 [n] of 24 kHz."""


class Copier(Protocol):
    """What makes a copy of a voice."""

    def copy(self, samples: Samples) -> Samples:
        """The same sentence as it comes back."""


@dataclass(frozen=True)
class Reading:
    """One sentence, read twice."""

    voices: str
    """Whose sentence it is: an engine, or Moshi."""
    text: str
    original: str
    copy: str


def read_replies(
    takes: Mapping[str, Sequence[Samples]], originals: Mapping[str, Samples], reader: Reader
) -> Iterator[Reading]:
    """Reads each recorded take of a reply, and the original voice saying the same.

    Both are by the reply's text; a reply that lacks one of the two is left out.
    """
    for text in sorted(takes.keys() & originals.keys()):
        original = reader.read(originals[text]) if takes[text] else ""
        for take in takes[text]:
            yield Reading("Moshi", text, original, reader.read(take))


def read_copies(clips: Iterable[Clip], copier: Copier, reader: Reader) -> Iterator[Reading]:
    """Reads each clip, and what comes back of it."""
    for clip in clips:
        copy = copier.copy(clip.samples)
        yield Reading(clip.engine, clip.text, reader.read(clip.samples), reader.read(copy))


def errors_of(readings: Sequence[Reading]) -> tuple[WordErrors, WordErrors]:
    """The word errors in the originals and in the copies."""
    originals = total((reading.text, reading.original) for reading in readings)
    return originals, total((reading.text, reading.copy) for reading in readings)


def write_readings(path: Path, readings: Iterable[Reading]) -> None:
    """Writes them, a line of JSON each; what was there is replaced once all are read."""
    lines = [json.dumps(asdict(reading)) + "\n" for reading in readings]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines))


def load_readings(path: Path) -> list[Reading]:
    """What `write_readings` wrote; empty if nothing has been."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [Reading(**json.loads(line)) for line in lines]
