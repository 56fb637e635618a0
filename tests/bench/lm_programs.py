"""One step of the language model, by ours and by the peer: the same user, the same settings."""

from contextlib import ExitStack
from typing import Any

import torch
from kaiwa_server.models.delays import NO_INPUT
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.sampling import SamplingRows
from moshi.models import LMGen, LMModel
from torch import Tensor

TEXT_TEMPERATURE, TEXT_TOP_K = 0.7, 25
AUDIO_TEMPERATURE, AUDIO_TOP_K = 0.8, 250


def users(config: dict[str, Any], sessions: int, frames: int) -> Tensor:
    """Users who say anything, [T, B, K]."""
    generator = torch.Generator().manual_seed(sessions)
    shape = (frames, sessions, config["dep_q"])
    return torch.randint(0, config["card"], shape, generator=generator)


def default_sampling(sessions: int) -> SamplingRows:
    """What sessions get that ask for nothing in particular; the peer has the same defaults."""
    return SamplingRows(
        text_temperature=torch.full((sessions,), TEXT_TEMPERATURE),
        text_top_k=torch.full((sessions,), TEXT_TOP_K),
        audio_temperature=torch.full((sessions,), AUDIO_TEMPERATURE),
        audio_top_k=torch.full((sessions,), AUDIO_TOP_K),
    )


class LmProgram:
    """Hears the users [T, B, K] over and over; greedy until `draw` is called."""

    name: str

    def __init__(self, heard: Tensor) -> None:
        self._heard = heard
        self._next = 0

    def step(self) -> None:
        """One step of each session."""
        self.turn()

    @torch.inference_mode()
    def turn(self) -> Tensor:
        """The frame that the step completed, with its text: [B, 1 + K]."""
        tokens = self._heard[self._next]
        self._next = (self._next + 1) % len(self._heard)
        return self._stepped(tokens)

    def draw(self) -> None:
        """Samples from here on, at the defaults that both sides have."""
        raise NotImplementedError

    def _stepped(self, tokens: Tensor) -> Tensor:
        raise NotImplementedError


class OurLm(LmProgram):
    """Ours."""

    def __init__(self, name: str, lm: MoshiLm, heard: Tensor) -> None:
        super().__init__(heard)
        self.name = name
        sessions = heard.shape[1]
        self._lm = lm
        self._state = lm.new_state(sessions)
        self._rows = torch.arange(sessions)
        self._sampling = SamplingRows.greedy(sessions)
        generator = torch.Generator().manual_seed(sessions)
        self._uniforms = torch.rand(len(heard), sessions, 1 + heard.shape[2], generator=generator)
        self._stepped(torch.full_like(heard[0], NO_INPUT))  # step 0 hears nobody

    def draw(self) -> None:
        self._sampling = default_sampling(len(self._rows))

    def _stepped(self, tokens: Tensor) -> Tensor:
        uniforms = self._uniforms[self._next]
        self._lm.step(self._state, self._rows, tokens, self._sampling, uniforms)
        newest = self._state.step[self._rows] - 1
        return self._state.delay_line.aligned(self._rows, newest)


class MoshiLmGen(LmProgram):
    """Kyutai's generator; it streams until `running` ends."""

    name = "moshi"

    def __init__(self, lm: LMModel, heard: Tensor, running: ExitStack) -> None:
        super().__init__(heard)
        self._generator = LMGen(
            lm,
            use_sampling=False,
            temp=AUDIO_TEMPERATURE,
            top_k=AUDIO_TOP_K,
            temp_text=TEXT_TEMPERATURE,
            top_k_text=TEXT_TOP_K,
        )
        running.enter_context(self._generator.streaming(heard.shape[1]))
        self._generator.step(heard[0][..., None])  # its step 0 does not hear what it is given

    def draw(self) -> None:
        self._generator.use_sampling = True

    def _stepped(self, tokens: Tensor) -> Tensor:
        frame = self._generator.step(tokens[..., None])
        assert frame is not None
        return frame[..., 0]
