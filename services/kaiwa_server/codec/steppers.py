"""Mimi as two models of the step loop: one encodes, one decodes, each with its own slots."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from kaiwa_server.audio import FRAME_SAMPLES, CodeFrame, PcmFrame
from kaiwa_server.models.mimi import Mimi
from kaiwa_server.models.programs import runner, spare_slots


class EncodeStepper:
    """Sound to tokens; a slot's frames keep their indexes."""

    def __init__(self, mimi: Mimi, slots: int) -> None:
        every = slots + spare_slots(mimi.device)
        spare = slice(slots, every)
        self.slots = slots
        self._state = state = mimi.new_encoder_state(every)
        self._slot_bytes = state.memory_bytes // every

        def encode(rows: Tensor, samples: Tensor) -> Tensor:
            """Samples [B, 1920] -> tokens [B, K]."""
            return mimi.encode(state, rows, samples[:, None])[..., 0]

        self._run = runner(
            encode, lambda: state.rest(spare), slots=slots, device=mimi.device, urgent=True
        )

    def begin(self, slot: int, settings: None) -> None:
        """Makes the slot's state that of a new session."""
        self._state.reset(slot)

    @property
    def slot_bytes(self) -> int:
        """What one slot's state takes of memory."""
        return self._slot_bytes

    def warm_up(self) -> None:
        """Does what takes time at first."""
        self._run.warm_up(torch.zeros(1, FRAME_SAMPLES))

    def fill(self) -> None:
        """Makes every slot's session as long as the context, which is when steps take longest."""
        self._state.fill()

    def step(self, inputs: Mapping[int, PcmFrame]) -> dict[int, CodeFrame]:
        """Encodes one frame in each slot of `inputs`."""
        slots = sorted(inputs)  # neighbours are read without a copy
        samples = np.stack([inputs[slot].samples for slot in slots])
        codes = self._run(slots, torch.from_numpy(samples))
        return {
            slot: CodeFrame(inputs[slot].index, tuple(tokens))
            for slot, tokens in zip(slots, codes.tolist(), strict=True)
        }


class DecodeStepper:
    """Tokens to sound; a slot's frames keep their indexes."""

    def __init__(self, mimi: Mimi, slots: int) -> None:
        every = slots + spare_slots(mimi.device)
        spare = slice(slots, every)
        self.slots = slots
        self._codebooks = mimi.num_codebooks
        self._state = state = mimi.new_decoder_state(every)
        self._slot_bytes = state.memory_bytes // every

        def decode(rows: Tensor, codes: Tensor) -> Tensor:
            """Tokens [B, K] -> samples [B, 1920]."""
            return mimi.decode(state, rows, codes[..., None])[:, 0]

        self._run = runner(
            decode, lambda: state.rest(spare), slots=slots, device=mimi.device, urgent=True
        )

    def begin(self, slot: int, settings: None) -> None:
        """Makes the slot's state that of a new session."""
        self._state.reset(slot)

    @property
    def slot_bytes(self) -> int:
        """What one slot's state takes of memory."""
        return self._slot_bytes

    def warm_up(self) -> None:
        """Does what takes time at first."""
        self._run.warm_up(torch.zeros(1, self._codebooks, dtype=torch.int64))

    def fill(self) -> None:
        """Makes every slot's session as long as the context, which is when steps take longest."""
        self._state.fill()

    def step(self, inputs: Mapping[int, CodeFrame]) -> dict[int, PcmFrame]:
        """Decodes one frame in each slot of `inputs`, whose tokens are in their codebooks."""
        slots = sorted(inputs)  # neighbours are read without a copy
        codes = torch.tensor([inputs[slot].tokens for slot in slots])
        pcm = self._run(slots, codes)
        return {
            slot: PcmFrame(inputs[slot].index, samples)
            for slot, samples in zip(slots, pcm.numpy(), strict=True)
        }
