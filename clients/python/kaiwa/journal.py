"""A session's journal as the gateway's recordings have it: a header, then a line for each step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VERSION = 1


class BadJournal(ValueError):
    """A file that is not a journal; the text says where it is not."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one step wrote, and what it was given of the user: empty where nothing."""

    text: int
    moshi: tuple[int, ...]
    user: tuple[int, ...]
    sampling: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The contract's `Sampling` in JSON, where the session changed it before this step."""


@dataclass(frozen=True, slots=True)
class Journal:
    """A session's steps, from step 0, and what they follow from beside the user's tokens."""

    model_name: str
    model_fingerprint: str
    context_steps: int
    settings: Mapping[str, Any]
    """The contract's `SessionSettings` in JSON, with the seed that was in force."""
    steps: tuple[Step, ...]


def read_journal(path: Path) -> Journal:
    """Reads a journal, or that of a recording's folder; a last line that was cut off is left out.

    Raises:
        BadJournal: it is not one, or a step is missing.
        OSError: it cannot be read.
    """
    file = path / "journal.jsonl" if path.is_dir() else path
    *lines, _ = file.read_bytes().split(b"\n")  # what is behind the last end of line is cut off
    if not lines:
        raise BadJournal(f"{file} has no header: nothing of the session was kept")
    header = _header(file, lines[0])
    steps = tuple(_step(file, number, line) for number, line in enumerate(lines[1:]))
    try:
        return Journal(
            header["model_name"],
            header["model_fingerprint"],
            header["context_steps"],
            header["settings"],
            steps,
        )
    except KeyError as error:
        raise BadJournal(f"{file}: the header has no {error}") from None


def _header(file: Path, line: bytes) -> Mapping[str, Any]:
    try:
        header = json.loads(line)
        version = header["kaiwa_journal"]
    except (ValueError, TypeError, KeyError):
        raise BadJournal(f"{file} is not a journal: its first line is not the header") from None
    if version != VERSION:
        raise BadJournal(f"{file} is a journal of version {version}: this reads {VERSION}")
    return dict(header)


def _step(file: Path, number: int, line: bytes) -> Step:
    try:
        step = json.loads(line)
        if step["step"] != number:
            raise BadJournal(f"{file}: step {step['step']} stands where {number} is expected")
        return Step(
            int(step["text"]),
            tuple(map(int, step["moshi"])),
            tuple(map(int, step["user"])),
            dict(step.get("sampling", {})),
        )
    except BadJournal:
        raise
    except (ValueError, TypeError, KeyError):
        raise BadJournal(f"{file}: line {number + 2} is not a step") from None
