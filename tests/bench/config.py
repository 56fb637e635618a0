"""What the benchmark can be told."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.variants import VARIANTS

PARTS = ("codec", "lm", "stack", "gateway")


@dataclass(frozen=True)
class Effort:
    """How much is run. The sessions of each part are those that are there at once."""

    rounds: int
    steps: int
    """Timed steps of each program in a round."""
    warmup_steps: int
    """Untimed steps before those, since the program before has filled the caches."""
    check_steps: int
    fills_context: bool
    """Whether the rings are full before the timing starts, as they are in a long session."""
    judged_frames: int
    """How many frames a variant's tokens are compared on."""
    codec_sessions: tuple[int, ...]
    lm_sessions: dict[str, tuple[int, ...]]
    stack_sessions: tuple[int, ...]
    gateway_sessions: tuple[int, ...]
    talk_s: float
    """How long each of the live sessions lasts."""


FULL = Effort(
    rounds=20,
    steps=25,
    warmup_steps=3,
    check_steps=20,
    fills_context=True,
    judged_frames=250,
    codec_sessions=(1, 4, 8, 16),
    lm_sessions={"small": (1, 4, 8), "middle": (1, 8)},
    stack_sessions=(1, 4, 8, 12),
    gateway_sessions=(1, 16, 32, 48),
    talk_s=120.0,
)

QUICK = Effort(
    rounds=4,
    steps=5,
    warmup_steps=1,
    check_steps=4,
    fills_context=False,
    judged_frames=12,
    codec_sessions=(1, 8),
    lm_sessions={"small": (1, 8)},
    stack_sessions=(1, 2),
    gateway_sessions=(1, 8),
    talk_s=6.0,
)


@dataclass(frozen=True)
class BenchConfig:
    """One run of the benchmark."""

    parts: tuple[str, ...]
    quick: bool
    effort: Effort
    variants: tuple[str, ...]
    core: int
    """The core that everything measured runs on."""
    load_core: int
    """The core of what makes the load, if there is a second one."""
    weights_dir: Path
    out_dir: Path


def parse(arguments: Sequence[str] | None = None) -> BenchConfig:
    """Reads the command line; by default the process's own."""
    cores = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(prog="bench", description="Compare Kaiwa with its peers.")
    parser.add_argument("--quick", action="store_true", help="minutes, and no figure to publish")
    parser.add_argument(
        "--part", action="append", choices=PARTS, help="only this one; may be repeated"
    )
    names = [variant.name for variant in VARIANTS]
    parser.add_argument(
        "--variant", action="append", choices=names, help="ours in this arithmetic; may be repeated"
    )
    parser.add_argument("--core", type=int, choices=cores, default=cores[-1])
    parser.add_argument("--load-core", type=int, choices=cores, default=cores[0])
    parser.add_argument("--weights", type=Path, default=Path("build/bench"), metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), metavar="FOLDER")
    given = parser.parse_args(arguments)
    return BenchConfig(
        parts=tuple(given.part or PARTS),
        quick=given.quick,
        effort=QUICK if given.quick else FULL,
        variants=tuple(given.variant or names[: 1 if given.quick else None]),
        core=given.core,
        load_core=given.load_core,
        weights_dir=given.weights,
        out_dir=given.out,
    )
