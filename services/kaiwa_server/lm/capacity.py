"""How many sessions the language model carries on this machine, measured."""

import time
from collections.abc import Iterator
from functools import partial

from kaiwa_server.audio import CodeFrame
from kaiwa_server.engine.capacity import Capacity, Limits, find_capacity
from kaiwa_server.lm.settings import LmSettings
from kaiwa_server.lm.stepper import LmStepper
from kaiwa_server.models.lm import MoshiLm

WARM_UP_STEPS = 2


def measure_capacity(lm: MoshiLm, step_s: float, free_bytes: int) -> Capacity:
    """Finds how many sessions fit, if a step may take `step_s` and their state what is free."""
    slot_bytes = LmStepper(lm, slots=1).slot_bytes
    return find_capacity(partial(full_steps, lm), Limits(step_s, slot_bytes, free_bytes))


def full_steps(lm: MoshiLm, slots: int) -> Iterator[float]:
    """Times steps of so many sessions with full contexts, which draw by default settings; in s."""
    stepper = LmStepper(lm, slots)
    for slot in range(slots):
        stepper.begin(slot, LmSettings(seed=slot))
    stepper.fill()
    heard = CodeFrame(0, (0,) * lm.config.codebooks)
    inputs = dict.fromkeys(range(slots), heard)
    for _ in range(WARM_UP_STEPS):
        stepper.step(inputs)
    while True:
        began_s = time.perf_counter()
        stepper.step(inputs)
        yield time.perf_counter() - began_s
