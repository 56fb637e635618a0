"""Over hours of sessions that come and go, a stepper takes no more memory than in its first minute.

20,000 steps are 27 minutes of calls.
"""

import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil
import pytest
from churn import SLOTS, Churn
from kaiwa_server.audio import FRAME_SAMPLES, CodeFrame, PcmFrame
from kaiwa_server.codec.steppers import DecodeStepper, EncodeStepper
from kaiwa_server.lm.settings import LmSettings
from kaiwa_server.lm.stepper import LmStepper
from models.served import as_served
from models.tiny_lm import tiny_lm
from tiny_mimi import noise, tiny_mimi
from torch import Tensor

pytestmark = pytest.mark.soak

WARM_UP_STEPS = 2_000
STEPS = 20_000
MOST_OBJECTS_MORE = 20
"""Of the interpreter's and the test's own."""
MOST_BYTES_MORE = 4 * 2**20


@dataclass(frozen=True)
class Held:
    """What the process holds."""

    objects: int
    tensors: int
    resident_bytes: int

    @classmethod
    def now(cls) -> "Held":
        gc.collect()
        types = [type(thing) for thing in gc.get_objects()]
        return cls(
            objects=len(types),
            tensors=sum(issubclass(each, Tensor) for each in types),
            resident_bytes=psutil.Process(os.getpid()).memory_info().rss,
        )


def language_model() -> tuple[Any, Any, Any]:
    return LmStepper(as_served(tiny_lm()), SLOTS), LmSettings(seed=1), CodeFrame(0, (1, 2, 3))


def encoder() -> tuple[Any, Any, Any]:
    sound = noise(1, seed=1)[0, 0].numpy()
    assert sound.shape == (FRAME_SAMPLES,)
    return EncodeStepper(as_served(tiny_mimi()), SLOTS), None, PcmFrame(0, sound)


def decoder() -> tuple[Any, Any, Any]:
    return DecodeStepper(as_served(tiny_mimi()), SLOTS), None, CodeFrame(0, (1, 2, 3, 4))


@pytest.mark.parametrize("make", [language_model, encoder, decoder], ids=lambda make: make.__name__)
def test_sessions_leave_nothing_behind(make: Callable[[], tuple[Any, Any, Any]]) -> None:
    stepper, settings, item = make()
    churn = Churn(seed=1)
    warm = None
    for number, turn in enumerate(churn.turns(STEPS)):
        if number == WARM_UP_STEPS:
            warm = Held.now()
        for slot in turn.begins:
            stepper.begin(slot, settings)
        if turn.ready:
            stepper.step(dict.fromkeys(turn.ready, item))
    end = Held.now()
    assert warm
    assert churn.joins > 1_000
    assert end.tensors == warm.tensors
    assert end.objects - warm.objects <= MOST_OBJECTS_MORE
    assert end.resident_bytes - warm.resident_bytes <= MOST_BYTES_MORE
