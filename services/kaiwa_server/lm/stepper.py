"""The language model as the step loop sees it: settings begin a slot, frames step it."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from kaiwa_server.audio import CodeFrame
from kaiwa_server.journal import Sampling, StepRecord
from kaiwa_server.lm.settings import LmSettings
from kaiwa_server.models.delays import NO_INPUT
from kaiwa_server.models.lm import LmState, MoshiLm
from kaiwa_server.models.programs import Program, runner, spare_slots
from kaiwa_server.models.sampling import SamplingRows
from kaiwa_server.models.uniforms import draw


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
        device = lm.device
        every = slots + spare_slots(device)
        spare = slice(slots, every)
        self.slots = slots
        self._lm = lm
        self._state = state = lm.new_state(every)
        self._sampling = SamplingRows.greedy(every, device)
        self._seeds = torch.zeros(every, dtype=torch.int64, device=device)
        self._run = runner(
            _program(lm, state, self._sampling, self._seeds),
            lambda: state.rest(spare),
            slots=slots,
            device=device,
        )

    @property
    def slot_bytes(self) -> int:
        """What one slot's state takes of memory."""
        return self._state.memory_bytes // len(self._seeds)

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

    def warm_up(self) -> None:
        """Does what takes time at first."""
        self._run.warm_up(self._user_tokens([None]))

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
        written = self._run(slots, self._user_tokens([frames[slot] for slot in slots]))
        return {
            slot: self._output(frames[slot], changes.get(slot), tokens)
            for slot, tokens in zip(slots, written.tolist(), strict=True)
        }

    def _user_tokens(self, frames: list[CodeFrame | None]) -> Tensor:
        """The frames' tokens, [B, codebooks]."""
        silent = (NO_INPUT,) * self._lm.config.codebooks
        return torch.tensor([silent if frame is None else frame.tokens for frame in frames])

    def _output(
        self, heard: CodeFrame | None, change: Sampling | None, written: list[int]
    ) -> StepOutput:
        """Takes apart what a row's step wrote."""
        codebooks, late = self._lm.config.codebooks, max(self._lm.config.delays)
        step, text, *tokens = written
        record = StepRecord(
            step=step,
            text_token=text,
            moshi_tokens=tuple(tokens[:codebooks]),
            user_tokens=() if heard is None else heard.tokens,
            sampling=change,
        )
        completed = tuple(tokens[codebooks:])
        frame = CodeFrame(index=step - late, tokens=completed) if step >= late else None
        return StepOutput(record, frame)


def _program(lm: MoshiLm, state: LmState, sampling: SamplingRows, seeds: Tensor) -> Program:
    """A step on tokens [B, codebooks]; of each row its number, text, audio, completed frame."""

    def step(rows: Tensor, user_tokens: Tensor) -> Tensor:
        steps = state.step[rows]
        drawn = draw(seeds[rows], steps, 1 + lm.config.codebooks)
        text, audio = lm.step(state, rows, user_tokens, sampling.take(rows), drawn)
        completed = state.completed_frame(rows)
        return torch.cat((steps[:, None], text[:, None], audio, completed), dim=1)

    return step
