"""What a training keeps on disk, so that it can be stopped at any moment and go on."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch


def save(path: Path, contents: dict[str, Any]) -> None:
    """Writes a checkpoint; a crash on the way leaves the older one."""
    with _replacing(path) as unfinished:
        torch.save(contents, unfinished)


def load(path: Path) -> dict[str, Any] | None:
    """Reads a checkpoint that `save` wrote; None if there is none."""
    if not path.exists():
        return None
    contents: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return contents


class Curve:
    """A log of figures over steps, one line of JSON each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def keep_until(self, step: int) -> None:
        """Drops what a run that ended after its last checkpoint wrote past `step`."""
        if self.path.exists():
            lines = self.path.read_text().splitlines()
            kept = [line for line in lines if json.loads(line)["step"] < step]
            self.path.write_text("".join(f"{line}\n" for line in kept))

    def add(self, step: int, **figures: float) -> None:
        """Adds a line."""
        rounded = {name: round(float(value), 5) for name, value in figures.items()}
        with self.path.open("a") as file:
            file.write(json.dumps({"step": step} | rounded) + "\n")


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(path.suffix + ".new")
    yield unfinished
    os.replace(unfinished, path)
