"""What a run leaves: every figure, for the table, the plots and the JSON."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.floors import Floor, Speeds
from bench.machine import Machine
from bench.stats import Ratio, StepTimes

FORMAT = 1


@dataclass(frozen=True)
class StepRow:
    """One program's steps with so many sessions; what compares it is None for a peer."""

    model: str
    sessions: int
    program: str
    ours: bool
    reduced: bool
    context_filled: float
    """How full the rings of the attention were, from 0 to 1."""
    times: StepTimes
    round_p50_ms: tuple[float, ...]
    core_share: float
    best_peer: str | None = None
    ratio: Ratio | None = None
    cpu_ratio: Ratio | None = None
    check: str = ""
    """Whether it gave what the peer gave on the same input, in words."""
    target: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.target is None or self.ratio is None:
            return None
        return self.ratio.median >= self.target


@dataclass(frozen=True)
class Agreement:
    """How near a variant is to the exact one, each told the exact one's past."""

    model: str
    weights: str
    variant: str
    tokens: int
    equal_share: float
    sound_error_db: float | None = None
    """The decoded sound's error against the exact one, relative to its power; None for an LM."""


@dataclass(frozen=True)
class LoadRow:
    """Live sessions over real processes, measured from the client's side."""

    what: str
    sessions: int
    added_p50_ms: float
    """Above the floor of 160 ms from mouth to ear."""
    added_p99_ms: float
    deadline_misses: int
    frames: int
    core_shares: dict[str, float]
    """How much of a core each process took."""
    note: str = ""
    target_ms: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        return None if self.target_ms is None else self.added_p99_ms < self.target_ms


@dataclass
class Results:
    """All of a run."""

    machine: Machine
    quick: bool
    speeds: Speeds | None = None
    floors: dict[str, Floor] = field(default_factory=dict)
    steps: list[StepRow] = field(default_factory=list)
    agreements: list[Agreement] = field(default_factory=list)
    loads: list[LoadRow] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)
    """Why nothing can be claimed; empty when the machine was quiet."""
    notes: list[str] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Leaves them as JSON, whole or not at all."""
        document = {"format": FORMAT, "noisy": bool(self.noise), **asdict(self)}
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps(document, indent=2) + "\n")
        unfinished.replace(path)
