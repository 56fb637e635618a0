"""The language model as the step loop sees it: settings begin a slot, frames step it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kaiwa_server.audio import CodeFrame
from kaiwa_server.journal import Sampling, StepRecord
from kaiwa_server.lm.settings import LmSettings
from kaiwa_server.models.delays import NO_INPUT
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.sampling import SamplingRows


@dataclass(frozen=True, slots=True)
class Resampled:
    """A step's input from which on the session's tokens are drawn otherwise."""

    frame: CodeFrame
    sampling: Sampling


# What a step is given: a frame, or None where the user is not heard.
StepInput = CodeFrame | Resampled | None


@dataclass(frozen=True, slots=True)
class StepOutput:
    """What a step did, and the frame of Moshi's voice that it completed, if any."""

    record: StepRecord
    frame: CodeFrame | None


class LmStepper:
    """Steps sessions together. A frame's tokens must be in their codebooks: nothing checks here."""

    def __init__(self, lm: MoshiLm, slots: int) -> None:
        self._lm = lm
        self._state = lm.new_state(slots)
        self._device = self._state.step.device
        self._sampling = SamplingRows.greedy(slots, self._device)
        self._seeds = [0] * slots

    @property
    def slots(self) -> int:
        """How many sessions fit at once."""
        return len(self._seeds)

    @property
    def slot_bytes(self) -> int:
        """What one slot's state takes of memory."""
        return self._state.memory_bytes // self.slots

    def begin(self, slot: int, settings: LmSettings) -> None:
        """Makes the slot's state that of a new session with these settings."""
        self._state.reset(slot)
        self._seeds[slot] = settings.seed
        self._resample(slot, settings.sampling)

    def _resample(self, slot: int, sampling: Sampling) -> None:
        self._sampling.text_temperature[slot] = sampling.text_temperature
        self._sampling.text_top_k[slot] = sampling.text_top_k
        self._sampling.audio_temperature[slot] = sampling.audio_temperature
        self._sampling.audio_top_k[slot] = sampling.audio_top_k

    def fill(self) -> None:
        """Makes every slot's session as long as the context, which is when steps take longest."""
        self._state.fill()

    def step(self, inputs: Mapping[int, StepInput]) -> dict[int, StepOutput]:
        """One step of the slots of `inputs`."""
        slots = sorted(inputs)
        frames: dict[int, CodeFrame | None] = {}
        changes: dict[int, Sampling] = {}
        for slot, item in inputs.items():
            if isinstance(item, Resampled):
                frames[slot], changes[slot] = item.frame, item.sampling
                self._resample(slot, item.sampling)
            else:
                frames[slot] = item
        rows = torch.tensor(slots, device=self._device)
        steps: list[int] = self._state.step[rows].tolist()
        text, audio = self._lm.step(
            self._state,
            rows,
            self._user_tokens([frames[slot] for slot in slots]),
            self._sampling.take(rows),
            self._uniforms([self._seeds[slot] for slot in slots], steps),
        )
        completed = self._state.completed_frame(rows)
        # One transfer from the device for all that the step wrote.
        written = torch.cat((text[:, None], audio, completed), dim=1).tolist()
        return {
            slot: self._output(step, frames[slot], changes.get(slot), tokens)
            for slot, step, tokens in zip(slots, steps, written, strict=True)
        }

    def _user_tokens(self, frames: list[CodeFrame | None]) -> Tensor:
        """The frames' tokens, [B, codebooks]."""
        silent = (NO_INPUT,) * self._lm.config.codebooks
        tokens = [silent if frame is None else frame.tokens for frame in frames]
        return torch.tensor(tokens, device=self._device)

    def _uniforms(self, seeds: list[int], steps: list[int]) -> Tensor:
        """Those of the rows' steps, [B, 1 + codebooks]."""
        count = 1 + self._lm.config.codebooks
        drawn = [uniforms(seed, step, count) for seed, step in zip(seeds, steps, strict=True)]
        return torch.from_numpy(np.stack(drawn)).to(self._device)

    def _output(
        self, step: int, heard: CodeFrame | None, change: Sampling | None, tokens: list[int]
    ) -> StepOutput:
        """Takes a row's tokens apart: text, audio, completed frame."""
        codebooks, late = self._lm.config.codebooks, max(self._lm.config.delays)
        text, audio, completed = tokens[0], tokens[1 : 1 + codebooks], tokens[1 + codebooks :]
        record = StepRecord(
            step=step,
            text_token=text,
            moshi_tokens=tuple(audio),
            user_tokens=() if heard is None else heard.tokens,
            sampling=change,
        )
        frame = CodeFrame(index=step - late, tokens=tuple(completed)) if step >= late else None
        return StepOutput(record, frame)


def uniforms(seed: int, step: int, count: int) -> NDArray[np.float32]:
    """The random numbers of a session's step, [count] in [0, 1): one for each stream it writes.

    They are a function of (seed, step, stream) alone, by the counter-based generator Philox
    (Salmon et al., 2011).
    """
    # The generator itself counts in the lowest of the counter's four words. Its raw numbers are
    # promised not to change from one numpy to the next; what `Generator` makes of them is not.
    raw = np.random.Philox(key=seed, counter=[0, step, 0, 0]).random_raw(count)  # 64 bits each
    return (raw >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
