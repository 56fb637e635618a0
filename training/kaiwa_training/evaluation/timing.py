"""How long one frame takes on one core: encode, step, decode, one after the other."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from kaiwa_server.audio import FRAME_SAMPLES, CodeFrame, PcmFrame
from kaiwa_server.codec.steppers import DecodeStepper, EncodeStepper
from kaiwa_server.lm.settings import LmSettings
from kaiwa_server.lm.stepper import LmStepper
from kaiwa_server.models.checkpoint import Checkpoint, load_lm, load_mimi
from kaiwa_server.models.packing import pack_for_cpu

from kaiwa_training.evaluation.errors import EvaluationError

WARM_UP_FRAMES = 50
FRAMES = 300
_SLOT = 0


@dataclass(frozen=True)
class FrameTimes:
    """Milliseconds for a frame, alone on one core."""

    encode_p50_ms: float
    step_p50_ms: float
    decode_p50_ms: float
    total_p50_ms: float
    total_p99_ms: float
    frames: int
    load: float
    """What else the machine did: processes that wanted a core in the minute before."""


def frame_times(model_dir: Path, frames: int = FRAMES) -> FrameTimes:
    """Steps a session through the services' own models, over noise, and takes the time."""
    load = os.getloadavg()[0]
    with _one_core():
        times = np.array(list(_frames(model_dir, frames)))[WARM_UP_FRAMES:]  # [frames, 3]
    total = times.sum(axis=1)
    encode, step, decode = (float(p50) for p50 in np.median(times, axis=0))
    p50, p99 = (float(value) for value in np.percentile(total, [50, 99]))
    return FrameTimes(encode, step, decode, p50, p99, len(times), load)


def _frames(model_dir: Path, frames: int) -> Iterator[tuple[float, float, float]]:
    """Gives the milliseconds of encode, step and decode, the warm-up's first."""
    checkpoint = Checkpoint.open(model_dir)
    mimi = load_mimi(checkpoint)
    language_model = load_lm(checkpoint)
    for model in (mimi, language_model):
        pack_for_cpu(model, "fp32")
    encoder, decoder = EncodeStepper(mimi, 1), DecodeStepper(mimi, 1)
    lm = LmStepper(language_model, 1)
    encoder.begin(_SLOT, None)
    decoder.begin(_SLOT, None)
    lm.begin(_SLOT, LmSettings(seed=1))
    rng = np.random.default_rng(1)
    reply = CodeFrame(0, (0,) * mimi.num_codebooks)
    for index in range(WARM_UP_FRAMES + frames):
        noise = (0.05 * rng.standard_normal(FRAME_SAMPLES)).astype(np.float32)
        start_s = time.perf_counter()
        heard = encoder.step({_SLOT: PcmFrame(index, noise)})[_SLOT]
        encoded_s = time.perf_counter()
        reply = lm.step({_SLOT: heard})[_SLOT].frame or reply
        stepped_s = time.perf_counter()
        decoder.step({_SLOT: reply})
        decoded_s = time.perf_counter()
        marks_s = (start_s, encoded_s, stepped_s, decoded_s)
        encode, step, decode = np.diff(marks_s) * 1000
        yield float(encode), float(step), float(decode)


@contextmanager
def _one_core() -> Iterator[None]:
    """Keeps this thread, and torch, on one core.

    Raises:
        EvaluationError: this system cannot bind a thread to a core.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise EvaluationError("times on one core can only be taken on Linux")
    cores, threads = os.sched_getaffinity(0), torch.get_num_threads()
    os.sched_setaffinity(0, {max(cores)})
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        os.sched_setaffinity(0, cores)
