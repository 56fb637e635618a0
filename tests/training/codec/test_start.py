"""A new encoder keeps the size of its signals, so that the quantizer can tell them apart."""

import pytest
import torch
from kaiwa_server.models.mimi import Mimi
from kaiwa_server.models.seanet import ResidualBlock
from kaiwa_training.codec import whole
from kaiwa_training.codec.start import RESIDUAL_SIZE, scale_encoder
from tiny_mimi import TINY
from torch import Tensor, nn


@pytest.fixture
def mimi() -> Mimi:
    torch.manual_seed(1)
    return Mimi(TINY)


@pytest.fixture
def pcm() -> Tensor:
    return 0.05 * torch.randn(2, 1, 6 * 1920, generator=torch.Generator().manual_seed(2))


def test_every_stage_of_a_scaled_encoder_gives_unit_variance(mimi: Mimi, pcm: Tensor) -> None:
    scale_encoder(mimi, pcm)
    x = pcm
    for module in mimi.encoder.model:
        before, x = x, whole.stack([module], x)
        if isinstance(module, ResidualBlock):
            added = (x - before).std() / before.std()
            assert added.item() == pytest.approx(RESIDUAL_SIZE, rel=1e-3)
        elif not isinstance(module, nn.ELU):
            assert x.std().item() == pytest.approx(1, rel=1e-3)


def test_what_the_codebooks_see_and_what_they_give_back_has_unit_variance(
    mimi: Mimi, pcm: Tensor
) -> None:
    scale_encoder(mimi, pcm)
    latent = whole.encode_latent(mimi, pcm)
    assert latent.std().item() == pytest.approx(1, rel=1e-3)
    for quantizer in (mimi.quantizer.rvq_first, mimi.quantizer.rvq_rest):
        vectors = quantizer.input_proj(latent)
        assert vectors.std().item() == pytest.approx(1, rel=1e-3)
        assert quantizer.output_proj(vectors).std().item() == pytest.approx(1, rel=1e-3)


def test_the_decoder_stays_as_it_was(mimi: Mimi, pcm: Tensor) -> None:
    halves = (mimi.upsample, mimi.decoder_transformer, mimi.decoder)
    before = [weight.clone() for half in halves for weight in half.parameters()]
    scale_encoder(mimi, pcm)
    after = [weight.detach() for half in halves for weight in half.parameters()]
    torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_a_scaled_encoder_can_still_learn(mimi: Mimi, pcm: Tensor) -> None:
    scale_encoder(mimi, pcm)
    whole.encode_latent(mimi, pcm).square().sum().backward()
    assert all(weight.grad is not None for weight in mimi.encoder.parameters())
