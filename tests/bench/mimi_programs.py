"""One frame of sound to tokens and back, by ours and by the peers: the same input for all."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import rustymimi
import torch
from kaiwa_server.audio import FRAME_SAMPLES
from kaiwa_server.models.mimi import Mimi
from moshi.models import MimiModel
from parity.mimi_reference import speech_like
from torch import Tensor


def sound_of(sessions: int, frames: int) -> Tensor:
    """Speech-like sound, another in each session: [T, B, 1, 1920]."""
    sound = torch.cat([speech_like(frames, seed) for seed in range(sessions)])  # [B, 1, 1920 * T]
    return torch.stack(sound.split(FRAME_SAMPLES, dim=-1))


class MimiProgram:
    """Goes round and round through the given sound, [T, B, 1, 1920]; each step is one frame."""

    name: str

    def __init__(self, sound: Tensor) -> None:
        self._sound = sound
        self._next = 0

    def step(self) -> None:
        """One frame of each session there and back."""
        self.turn()

    @torch.inference_mode()
    def turn(self) -> tuple[Tensor, Tensor]:
        """The next frame's tokens [B, K, 1] and what they sound like, [B, 1, 1920]."""
        pcm = self._sound[self._next]
        self._next = (self._next + 1) % len(self._sound)
        return self._there_and_back(pcm)

    def _there_and_back(self, pcm: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError


class OurMimi(MimiProgram):
    """Ours."""

    def __init__(self, name: str, mimi: Mimi, sound: Tensor) -> None:
        super().__init__(sound)
        self.name = name
        sessions = sound.shape[1]
        self._mimi = mimi
        self._rows = torch.arange(sessions)
        self._encoder = mimi.new_encoder_state(sessions)
        self._decoder = mimi.new_decoder_state(sessions)

    def _there_and_back(self, pcm: Tensor) -> tuple[Tensor, Tensor]:
        codes = self._mimi.encode(self._encoder, self._rows, pcm)
        return codes, self._mimi.decode(self._decoder, self._rows, codes)


class MoshiMimi(MimiProgram):
    """Kyutai's in torch; it streams until `running` ends."""

    name = "moshi"

    def __init__(self, mimi: MimiModel, sound: Tensor, running: ExitStack) -> None:
        super().__init__(sound)
        self._mimi = mimi
        running.enter_context(mimi.streaming(sound.shape[1]))

    def _there_and_back(self, pcm: Tensor) -> tuple[Tensor, Tensor]:
        codes = self._mimi.encode(pcm)
        return codes, self._mimi.decode(codes)


class RustMimi(MimiProgram):
    """Kyutai's in Rust, which has no batch."""

    name = "rustymimi"

    def __init__(self, path: Path, sound: Tensor) -> None:
        super().__init__(sound)
        assert sound.shape[1] == 1
        self._mimi = rustymimi.Tokenizer(str(path), num_codebooks=8)

    def _there_and_back(self, pcm: Tensor) -> tuple[Tensor, Tensor]:
        codes = self._mimi.encode_step(pcm.numpy())
        sound = self._mimi.decode_step(codes)
        return torch.from_numpy(codes.astype(np.int64)), torch.from_numpy(sound)
