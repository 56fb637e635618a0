"""Live sessions from the client's own load generator, `kaiwa bench`, on a core of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.results import LoadRow
from kaiwa.cli.measure import FLOOR_MS

GENERATOR = (sys.executable, "-m", "kaiwa", "bench")
JOINING_S = 60.0
"""How much longer than its talk a run may take: all have to join and to end."""


class NoGenerator(Exception):
    """The client has no load generator."""


class LoadFailed(Exception):
    """The load generator left no figures."""


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Lets what is started in the block run on this core alone."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def require_generator() -> None:
    """Returns if the client can make a load.

    Raises:
        NoGenerator: it cannot.
    """
    asked = subprocess.run([*GENERATOR, "--help"], capture_output=True, check=False)
    if asked.returncode:
        raise NoGenerator("skipped: this client has no command `kaiwa bench`")


def talk(
    server: str, metrics: Sequence[str], sessions: int, seconds: float, core: int
) -> dict[str, Any]:
    """Holds so many sessions with a gateway and gives the generator's figures.

    Raises:
        LoadFailed: it left none.
    """
    with tempfile.TemporaryDirectory() as folder, pinned(core):
        path = Path(folder) / "run.json"
        flags = ["--sessions", str(sessions), "--seconds", str(seconds), "--server", server]
        flags += [word for endpoint in metrics for word in ("--metrics", endpoint)]
        ran = subprocess.run(
            [*GENERATOR, *flags, "--json", str(path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + JOINING_S,
        )
        # A run that was not clean ends with an error, and has its figures all the same.
        if not path.exists():
            raise LoadFailed(f"kaiwa bench with {sessions} sessions: {ran.stderr.strip()}")
        figures: dict[str, Any] = json.loads(path.read_text())
    return figures


def load_row(what: str, run: Mapping[str, Any], target_ms: float | None = None) -> LoadRow:
    """A run of the generator as a row.

    Raises:
        LoadFailed: no frame was answered.
    """
    overall, generator = run["overall"], run["generator"]
    sessions = run["load"]["sessions"]
    if overall["mouth_to_ear_p99_ms"] is None:
        raise LoadFailed(f"{what} with {sessions} sessions: no frame was answered")
    shares = {service["name"]: service["cpu_percent"] for service in run["services"]}
    shares["generator"] = generator["cpu_percent"]
    return LoadRow(
        what=what,
        sessions=sessions,
        added_p50_ms=overall["mouth_to_ear_p50_ms"] - FLOOR_MS,
        added_p99_ms=overall["mouth_to_ear_p99_ms"] - FLOOR_MS,
        deadline_misses=overall["deadline_misses"],
        frames=overall["frames_measured"],
        core_shares={
            name: percent / 100 for name, percent in shares.items() if percent is not None
        },
        note=_note(overall, generator),
        target_ms=target_ms,
    )


def _note(overall: Mapping[str, Any], generator: Mapping[str, Any]) -> str:
    """What makes the figures less than they seem."""
    notes = []
    if generator["is_late"]:
        notes.append(f"the generator sent {generator['sent_late_p99_ms']:.0f} ms late (p99)")
    for what in ("refused", "cut_off"):
        if overall[what]:
            notes.append(f"{sum(overall[what].values())} {what.replace('_', ' ')}")
    if overall["frames_dropped"]:
        notes.append(f"{overall['frames_dropped']} frames dropped")
    return ", ".join(notes)
