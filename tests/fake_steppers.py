"""Steppers that need no model: what they write shows what they were given."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, TypeVar

import numpy as np
from kaiwa_server.audio import FRAME_SAMPLES, CodeFrame, PcmFrame
from kaiwa_server.journal import StepRecord
from kaiwa_server.lm.settings import LmSettings
from kaiwa_server.lm.stepper import Resampled, StepInput, StepOutput

CODEBOOKS = 8
CODEBOOK_SIZE = 256
WAIT_S = 10.0
POISON = 13
"""A token, and a sample of as many 256ths, on which every fake raises."""

SettingsT = TypeVar("SettingsT")
InT = TypeVar("InT")
OutT = TypeVar("OutT")


class FakeStepper(ABC, Generic[SettingsT, InT, OutT]):
    """Counts each slot's steps. While `turning` is cleared, a step hangs."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.steps = [0] * slots
        self.waiting = False
        self.turning = threading.Event()
        self.turning.set()

    def begin(self, slot: int, settings: SettingsT) -> None:
        self.steps[slot] = 0

    def step(self, inputs: Mapping[int, InT]) -> dict[int, OutT]:
        self.waiting = not self.turning.is_set()
        assert self.turning.wait(WAIT_S)
        written = {slot: self.write(self.steps[slot], item) for slot, item in inputs.items()}
        for slot in inputs:
            self.steps[slot] += 1
        return written

    @abstractmethod
    def write(self, step: int, item: InT) -> OutT:
        """What a slot's step gives on an item."""


class FakeEncoder(FakeStepper[None, PcmFrame, CodeFrame]):
    """A frame's first sample, in 256ths, is the token of every codebook."""

    def write(self, step: int, item: PcmFrame) -> CodeFrame:
        assert item.index == step
        return CodeFrame(step, (_unpoisoned(round(float(item.samples[0]) * 256)),) * CODEBOOKS)


class FakeDecoder(FakeStepper[None, CodeFrame, PcmFrame]):
    """A frame's first token, as 256ths, is every sample."""

    def write(self, step: int, item: CodeFrame) -> PcmFrame:
        assert item.index == step
        value = _unpoisoned(item.tokens[0]) / 256
        return PcmFrame(step, np.full(FRAME_SAMPLES, value, np.float32))


class FakeLm(FakeStepper[LmSettings, StepInput, StepOutput]):
    """Says the user's tokens plus 100; its frame s - 1 is complete in step s."""

    def __init__(self, slots: int, text_tokens: tuple[int, ...] = (3,)) -> None:
        super().__init__(slots)
        self.text_tokens = text_tokens

    def write(self, step: int, item: StepInput) -> StepOutput:
        frame, change = (item.frame, item.sampling) if isinstance(item, Resampled) else (item, None)
        heard = frame.tokens if frame else ()
        moshi = tuple((_unpoisoned(token) + 100) % CODEBOOK_SIZE for token in heard)
        text = self.text_tokens[step % len(self.text_tokens)]
        moshi = moshi or (99,) * CODEBOOKS
        record = StepRecord(step, text, moshi, heard, change)
        return StepOutput(record, CodeFrame(step - 1, moshi) if step else None)


def _unpoisoned(token: int) -> int:
    if token == POISON:
        raise ArithmeticError("a poisoned frame")
    return token
