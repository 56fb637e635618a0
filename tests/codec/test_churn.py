"""The codec among sessions that come and go: each hears and sounds as it does alone."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from churn import SLOTS, Churn
from kaiwa_server.audio import FRAME_SAMPLES, CodeFrame, PcmFrame
from kaiwa_server.codec.steppers import DecodeStepper, EncodeStepper
from models.served import as_served
from tiny_mimi import TINY, any_codes, noise, tiny_mimi
from torch import Tensor

TOLERANCE = 1e-5
"""Of a latent, or a sample, whose greatest is 1."""
MOST_EXCUSED = 1
"""So many tokens may be other ones by the last bits of their latents, in each 1,000 frames."""

MIMI = as_served(tiny_mimi())
POOL = 61
SOUNDS = [piece.numpy() for piece in noise(POOL, seed=1)[0, 0].split(FRAME_SAMPLES)]
CODES = [tuple(tokens) for tokens in any_codes(POOL, seed=2)[0].T.tolist()]

both_sizes = pytest.mark.parametrize("steps", [500, pytest.param(2_000, marks=pytest.mark.soak)])


def sound(session: int, index: int) -> PcmFrame:
    return PcmFrame(index, SOUNDS[(17 * session + index) % POOL])


def codes(session: int, index: int) -> CodeFrame:
    return CodeFrame(index, CODES[(17 * session + index) % POOL])


class Encoder:
    """An encoder whose latents are kept: a frame gives its tokens and its latent [C]."""

    def __init__(self, slots: int) -> None:
        self._stepper = EncodeStepper(MIMI, slots)
        self.begin = self._stepper.begin
        self._latents = torch.empty(0)
        MIMI.downsample.register_forward_hook(self._keep)

    def _keep(self, _module: object, _inputs: object, latents: Tensor) -> None:
        self._latents = latents[..., 0]

    def step(self, inputs: Mapping[int, PcmFrame]) -> dict[int, tuple[CodeFrame, Tensor]]:
        frames = self._stepper.step(inputs)
        return {slot: (frames[slot], self._latents[row]) for row, slot in enumerate(sorted(inputs))}


def decoder(slots: int) -> DecodeStepper:
    return DecodeStepper(MIMI, slots)


def together_and_alone(
    churn: Churn, steps: int, new: Callable[[int], Any], item: Callable[[int, int], Any]
) -> list[tuple[Any, Any]]:
    """What each step of each session gave among others, and what it gives alone."""
    crowd = new(SLOTS)
    together: dict[int, list[Any]] = defaultdict(list)
    for turn in churn.turns(steps):
        for slot in turn.begins:
            crowd.begin(slot, None)
        inputs = {slot: item(who, len(together[who])) for slot, who in turn.ready.items()}
        for slot, output in crowd.step(inputs).items() if inputs else ():
            together[turn.ready[slot]].append(output)
    assert churn.events >= 200
    single = new(1)
    pairs = []
    for session, outputs in together.items():
        single.begin(0, None)
        pairs += [
            (output, single.step({0: item(session, index)})[0])
            for index, output in enumerate(outputs)
        ]
    return pairs


@both_sizes
def test_every_session_is_heard_as_it_is_alone(steps: int) -> None:
    pairs = together_and_alone(Churn(seed=steps), steps, Encoder, sound)
    loudest = max(float(latent.abs().max()) for _, (_, latent) in pairs)
    excused = 0
    for (frame, latent), (expected, expected_latent) in pairs:
        torch.testing.assert_close(latent, expected_latent, atol=TOLERANCE * loudest, rtol=0)
        assert frame.index == expected.index
        excused += sum(a != b for a, b in zip(frame.tokens, expected.tokens, strict=True))
    assert excused <= MOST_EXCUSED * TINY.num_codebooks * (1 + len(pairs) // 1_000)


@both_sizes
def test_every_session_sounds_as_it_does_alone(steps: int) -> None:
    pairs = together_and_alone(Churn(seed=steps + 1), steps, decoder, codes)
    loudest = max(np.abs(expected.samples).max() for _, expected in pairs)
    for frame, expected in pairs:
        assert frame.index == expected.index
        assert np.abs(frame.samples - expected.samples).max() <= TOLERANCE * loudest
