"""How many sessions the codec carries on this machine, measured."""

import time
from collections.abc import Iterator
from functools import partial

import numpy as np

from kaiwa_server.audio import FRAME_SAMPLES, PcmFrame
from kaiwa_server.codec.steppers import DecodeStepper, EncodeStepper
from kaiwa_server.engine.capacity import Capacity, Limits, find_capacity
from kaiwa_server.models.mimi import Mimi

WARM_UP_STEPS = 2


def measure_capacity(mimi: Mimi, step_s: float, free_bytes: int) -> Capacity:
    """Finds how many sessions fit, if a frame may take `step_s` and their state what is free."""
    slot_bytes = EncodeStepper(mimi, slots=1).slot_bytes + DecodeStepper(mimi, slots=1).slot_bytes
    return find_capacity(partial(full_steps, mimi), Limits(step_s, slot_bytes, free_bytes))


def full_steps(mimi: Mimi, slots: int) -> Iterator[float]:
    """Times frames of so many sessions with full contexts, there and back; in s.

    Encoder and decoder have a thread each and the processor together: what counts is both in turn.
    """
    encoder, decoder = EncodeStepper(mimi, slots), DecodeStepper(mimi, slots)
    encoder.fill()
    decoder.fill()
    silence = PcmFrame(0, np.zeros(FRAME_SAMPLES, np.float32))
    inputs = dict.fromkeys(range(slots), silence)
    for _ in range(WARM_UP_STEPS):
        decoder.step(encoder.step(inputs))
    while True:
        began_s = time.perf_counter()
        decoder.step(encoder.step(inputs))
        yield time.perf_counter() - began_s
