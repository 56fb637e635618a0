"""`make bench-gpu`: steps of a Moshi 7B with random weights on this GPU, beside its floor.

The floor is what must be read, each weight once and every session's keys and values at full
context, at the bandwidth with which this GPU copies.
"""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from kaiwa_server.audio import CodeFrame
from kaiwa_server.lm.settings import LmSettings
from kaiwa_server.lm.stepper import LmStepper
from kaiwa_server.models.cuda.speedup import use_cuda_kernels
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.lm_config import LmConfig
from rich.console import Console
from rich.table import Table

SESSIONS = (1, 8, 16, 32, 64, 80, 150)
WARM_UP_STEPS, STEPS = 5, 100
DEADLINE_S = 0.080
COPIED_BYTES = 4 * 2**30
SPARE_BYTES = 2 * 2**30
"""What a step's own tensors and the libraries may take."""


@dataclass(frozen=True)
class Row:
    """Steps of so many sessions; `missed` are those that took 80 ms or more."""

    kv_bits: int
    sessions: int
    p50_ms: float
    p99_ms: float
    floor_ms: float
    missed: int

    @property
    def times_floor(self) -> float:
        return self.p50_ms / self.floor_ms


def main() -> None:
    """Prints the table, and keeps it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/bench-gpu.json"))
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("torch sees no CUDA GPU: look at nvidia-smi")
    console = Console()
    name = torch.cuda.get_device_name()
    bandwidth = copy_bandwidth()
    console.print(f"{name}, torch {torch.__version__}: copies at {bandwidth / 1e12:.2f} TB/s")
    rows = list(measured(bandwidth, console))
    console.print(table(rows))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    found = {"gpu": name, "bytes_per_s": bandwidth, "rows": [asdict(row) for row in rows]}
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    console.print(f"kept {arguments.out}")


def copy_bandwidth() -> float:
    """Bytes read and written a second by the best of a few large copies."""
    source = torch.zeros(COPIED_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    best_s = float("inf")
    for _ in range(10):
        torch.cuda.synchronize()
        began_s = time.perf_counter()
        target.copy_(source)
        torch.cuda.synchronize()
        best_s = min(best_s, time.perf_counter() - began_s)
    return 2 * COPIED_BYTES / best_s


def measured(bandwidth: float, console: Console) -> Iterator[Row]:
    """Times every number of sessions that fits, with keys and values of 16 and of 8 bits."""
    lm = random_lm()
    read = sum(
        weight.nbytes
        for name, weight in lm.named_parameters()
        if "emb" not in name  # of an embedding a step reads a few rows
    )
    for kv_bits in (16, 8):
        use_cuda_kernels(lm, eight_bits=kv_bits == 8)
        slot_bytes = LmStepper(lm, 1).slot_bytes
        for sessions in SESSIONS:
            torch.cuda.empty_cache()
            free, _ = torch.cuda.mem_get_info()
            if (sessions + 1) * slot_bytes + SPARE_BYTES > free:
                console.print(f"{sessions} sessions with {kv_bits} bits do not fit", style="dim")
                break
            console.print(f"{sessions} sessions with {kv_bits} bits", style="dim")
            seconds = steps_s(lm, sessions)
            yield Row(
                kv_bits=kv_bits,
                sessions=sessions,
                p50_ms=1000 * statistics.median(seconds),
                p99_ms=1000 * sorted(seconds)[len(seconds) * 99 // 100 - 1],
                floor_ms=1000 * (read + sessions * slot_bytes) / bandwidth,
                missed=sum(step_s >= DEADLINE_S for step_s in seconds),
            )
            gc.collect()


def random_lm() -> MoshiLm:
    """Moshi 7B in bf16, made where it is used: it never fits beside itself."""
    with torch.device("meta"):
        lm = MoshiLm(LmConfig()).to(torch.bfloat16)
    lm = lm.to_empty(device="cuda").requires_grad_(False).eval()
    generator = torch.Generator("cuda").manual_seed(1)
    for name, weight in lm.named_parameters():
        if name.endswith("alpha"):
            weight.fill_(1.0)
        else:
            weight.normal_(std=weight.shape[-1] ** -0.5, generator=generator)
    return lm


def steps_s(lm: MoshiLm, sessions: int) -> list[float]:
    """What steps of sessions with full contexts take, from the frames to the words on the host."""
    stepper = LmStepper(lm, sessions)
    for slot in range(sessions):
        stepper.begin(slot, LmSettings(seed=slot))
    stepper.fill()
    inputs = dict.fromkeys(range(sessions), CodeFrame(0, (0,) * lm.config.codebooks))
    for _ in range(WARM_UP_STEPS):
        stepper.step(inputs)
    seconds = []
    for _ in range(STEPS):
        began_s = time.perf_counter()
        stepper.step(inputs)
        seconds.append(time.perf_counter() - began_s)
    return seconds


def table(rows: list[Row]) -> Table:
    """The figures to look at."""
    shown = Table("KV bits", "sessions", "p50 ms", "p99 ms", "floor ms", "x floor", "missed")
    for row in rows:
        figures = (row.p50_ms, row.p99_ms, row.floor_ms)
        shown.add_row(
            str(row.kv_bits),
            str(row.sessions),
            *(f"{figure:.1f}" for figure in figures),
            f"{row.times_floor:.2f}",
            f"{row.missed} of {STEPS}",
        )
    return shown


if __name__ == "__main__":
    main()
