"""Mimi as two models of the step loop: one encodes, one decodes, each with its own slots."""

from collections.abc import Mapping

import numpy as np
import torch

from kaiwa_server.audio import CodeFrame, PcmFrame
from kaiwa_server.models.mimi import Mimi


class EncodeStepper:
    """Sound to tokens; a slot's frames keep their indexes."""

    def __init__(self, mimi: Mimi, slots: int) -> None:
        self.slots = slots
        self._mimi = mimi
        self._state = mimi.new_encoder_state(slots)
        self._device = next(mimi.parameters()).device

    def begin(self, slot: int, settings: None) -> None:
        """Makes the slot's state that of a new session."""
        self._state.reset(slot)

    @property
    def slot_bytes(self) -> int:
        """What one slot's state takes of memory."""
        return self._state.memory_bytes // self.slots

    def fill(self) -> None:
        """Makes every slot's session as long as the context, which is when steps take longest."""
        self._state.fill()

    @torch.inference_mode()
    def step(self, inputs: Mapping[int, PcmFrame]) -> dict[int, CodeFrame]:
        """Encodes one frame in each slot of `inputs`."""
        slots = sorted(inputs)  # neighbours are read without a copy
        samples = np.stack([inputs[slot].samples for slot in slots])
        pcm = torch.from_numpy(samples).to(self._device)[:, None]  # [B, 1, 1920]
        rows = torch.tensor(slots, device=self._device)
        codes = self._mimi.encode(self._state, rows, pcm)  # [B, K, 1]
        return {
            slot: CodeFrame(inputs[slot].index, tuple(tokens))
            for slot, tokens in zip(slots, codes[..., 0].tolist(), strict=True)
        }


class DecodeStepper:
    """Tokens to sound; a slot's frames keep their indexes."""

    def __init__(self, mimi: Mimi, slots: int) -> None:
        self.slots = slots
        self._mimi = mimi
        self._state = mimi.new_decoder_state(slots)
        self._device = next(mimi.parameters()).device

    def begin(self, slot: int, settings: None) -> None:
        """Makes the slot's state that of a new session."""
        self._state.reset(slot)

    @property
    def slot_bytes(self) -> int:
        """What one slot's state takes of memory."""
        return self._state.memory_bytes // self.slots

    def fill(self) -> None:
        """Makes every slot's session as long as the context, which is when steps take longest."""
        self._state.fill()

    @torch.inference_mode()
    def step(self, inputs: Mapping[int, CodeFrame]) -> dict[int, PcmFrame]:
        """Decodes one frame in each slot of `inputs`, whose tokens are in their codebooks."""
        slots = sorted(inputs)  # neighbours are read without a copy
        codes = torch.tensor([inputs[slot].tokens for slot in slots], device=self._device)
        rows = torch.tensor(slots, device=self._device)
        pcm = self._mimi.decode(self._state, rows, codes[..., None])  # [B, 1, 1920]
        return {
            slot: PcmFrame(inputs[slot].index, samples)
            for slot, samples in zip(slots, pcm[:, 0].cpu().numpy(), strict=True)
        }
