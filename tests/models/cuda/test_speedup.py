"""Models that went over to the kernels for a GPU do what they did in torch."""

import copy

import pytest
import tiny_mimi
import torch
from kaiwa_server.models.cuda.speedup import use_cuda_kernels
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.mimi import Mimi
from kaiwa_server.models.sampling import SamplingRows
from models.tiny_lm import TINY, tiny_lm
from torch import Tensor
from triton_tests import HERE


def tokens_of(lm: MoshiLm, steps: int) -> Tensor:
    """What two sessions write, one of which is late by three steps, [2, steps, 1 + codebooks]."""
    state, sampling = lm.new_state(3), SamplingRows.greedy(1, lm.device)
    generator = torch.Generator().manual_seed(3)
    written = torch.zeros(2, steps, 1 + TINY.codebooks, dtype=torch.int64)
    for step in range(steps + 3):
        heard = torch.randint(TINY.codebook_size, (2, TINY.codebooks), generator=generator)
        for session, slot in enumerate((2, 0)):
            own = step - 3 * session
            if 0 <= own < steps:
                text, audio = lm.step(
                    state,
                    torch.tensor([slot], device=lm.device),
                    heard[session : session + 1].to(lm.device),
                    sampling,
                    torch.zeros(1, 1 + TINY.codebooks, device=lm.device),
                )
                written[session, own] = torch.cat((text[:, None], audio), dim=1)
    return written


def test_the_language_model_says_the_same_past_its_context() -> None:
    exact = tiny_lm()
    ours = copy.deepcopy(exact).to(HERE)
    use_cuda_kernels(ours)
    steps = TINY.temporal.context + 4
    assert torch.equal(tokens_of(ours, steps), tokens_of(exact, steps))


def test_keys_and_values_of_8_bits_are_near_exact_ones() -> None:
    exact = tiny_lm()
    ours = copy.deepcopy(exact).to(HERE)
    use_cuda_kernels(ours, eight_bits=True)
    states = exact.transformer.new_state(1), ours.transformer.new_state(1)
    assert states[1].rings.dtype == torch.int8
    assert states[1].memory_bytes < states[0].memory_bytes
    for step in range(2 * TINY.temporal.context):
        x = torch.randn(1, 1, TINY.temporal.dim, generator=torch.Generator().manual_seed(step))
        row = torch.tensor([0])
        expected = exact.transformer(x, states[0], row)
        found = ours.transformer(x.to(HERE), states[1], row.to(HERE)).cpu()
        assert (found - expected).norm() < 0.02 * expected.norm()


@pytest.fixture
def mimis() -> tuple[Mimi, Mimi]:
    exact = tiny_mimi.tiny_mimi()
    ours = copy.deepcopy(exact).to(HERE)
    use_cuda_kernels(ours)
    return exact, ours


def test_the_codec_hears_the_same_past_its_context(mimis: tuple[Mimi, Mimi]) -> None:
    pcm = tiny_mimi.noise(frames=9, seed=1)
    latents = [
        mimi.encode_latent(
            mimi.new_encoder_state(2), torch.tensor([1], device=mimi.device), pcm.to(mimi.device)
        ).cpu()
        for mimi in mimis
    ]
    torch.testing.assert_close(latents[1], latents[0], atol=1e-4, rtol=1e-4)


def test_the_codec_speaks_the_same_past_its_context(mimis: tuple[Mimi, Mimi]) -> None:
    codes = tiny_mimi.any_codes(frames=9, seed=1)
    sounds = [
        mimi.decode(
            mimi.new_decoder_state(2), torch.tensor([1], device=mimi.device), codes.to(mimi.device)
        ).cpu()
        for mimi in mimis
    ]
    torch.testing.assert_close(sounds[1], sounds[0], atol=1e-4, rtol=1e-4)
