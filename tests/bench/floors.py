"""The least time a step can take here: its weights read once, its arithmetic at full rate."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

ARRAY_BYTES = 512 * 2**20
"""Larger than any cache."""

MATRIX = 1024
REPEATS = 7


@dataclass(frozen=True)
class Speeds:
    """What one core does when it does nothing else."""

    read_gb_s: float
    fp32_gflop_s: float
    bf16_gflop_s: float


@dataclass(frozen=True)
class Floor:
    """What one step of a model must read and calculate, whoever runs it."""

    weights: int
    """Weights that a step reads, each once however many sessions it has."""
    gflop_per_session: float

    def step_ms(self, sessions: int, bytes_per_weight: int, speeds: Speeds) -> float:
        """The two added up: weights in fp32 (4 bytes), bf16 (2) or int8 (1) at their rate.

        What is kept in int8 is multiplied in fp32.
        """
        rate = speeds.bf16_gflop_s if bytes_per_weight == 2 else speeds.fp32_gflop_s
        read_s = self.weights * bytes_per_weight / 1e9 / speeds.read_gb_s
        return (read_s + self.gflop_per_session * sessions / rate) * 1000


def measure_speeds() -> Speeds:
    """The best of a few tries each: a sum over a large array, products of square matrices."""
    array = torch.ones(ARRAY_BYTES // 4)
    read_s = _best_s(lambda: array.sum())
    rates = []
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.rand(MATRIX, MATRIX).to(dtype)
        rates.append(2e-9 * MATRIX**3 / _best_s(lambda matrix=matrix: matrix @ matrix))
    return Speeds(ARRAY_BYTES / 1e9 / read_s, *rates)


def _best_s(work: Callable[[], Tensor]) -> float:
    times_s = []
    for _ in range(REPEATS):
        # Of the process: a speed of the core does not sink because others have it, too.
        start_s = time.process_time()
        work()
        times_s.append(time.process_time() - start_s)
    return min(times_s)
