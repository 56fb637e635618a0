"""The training computes what is served."""

import pytest
import torch
from kaiwa_server.models.mimi import Mimi
from kaiwa_training.codec import whole
from kaiwa_training.codec.shape import DEMO_MIMI

FRAMES = 40
"""More than the context of the codec's transformers, which is 8 frames."""


@pytest.fixture(scope="module")
def mimi() -> Mimi:
    torch.manual_seed(3)
    mimi = Mimi(DEMO_MIMI).eval()
    for parameter in mimi.parameters():
        parameter.requires_grad_(False)
    return mimi


def test_a_whole_clip_gives_the_latents_of_streamed_frames(mimi: Mimi) -> None:
    pcm = torch.randn(2, 1, FRAMES * 1920)
    state, rows = mimi.new_encoder_state(2), torch.arange(2)
    streamed = [mimi.encode_latent(state, rows, frame) for frame in pcm.split(1920, dim=-1)]
    torch.testing.assert_close(
        whole.encode_latent(mimi, pcm), torch.cat(streamed, dim=-1), atol=1e-5, rtol=1e-4
    )


def test_whole_codes_give_the_sound_of_streamed_frames(mimi: Mimi) -> None:
    latent = torch.randn(2, 160, FRAMES)
    state, rows = mimi.new_decoder_state(2), torch.arange(2)
    streamed = []
    for frame in latent.split(1, dim=-1):
        x = mimi.upsample(frame.transpose(1, 2), state.convolutions, rows)
        x = mimi.decoder_transformer(x, state.attention, rows)
        streamed.append(mimi.decoder(x, state.convolutions, rows).transpose(1, 2))
    torch.testing.assert_close(
        whole.decode_latent(mimi, latent), torch.cat(streamed, dim=-1), atol=1e-5, rtol=1e-4
    )


def test_a_frozen_front_gets_no_gradient(mimi: Mimi) -> None:
    trained = Mimi(DEMO_MIMI)
    whole.encode_latent(trained, torch.randn(1, 1, 8 * 1920), frozen=4).sum().backward()
    gradients = [parameter.grad for parameter in trained.encoder.parameters()]
    assert gradients[0] is None and gradients[-1] is not None
