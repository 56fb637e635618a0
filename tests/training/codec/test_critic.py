"""The critic tells made sound from original sound, and teaches the decoder what gives it away."""

from typing import cast

import pytest
import torch
from kaiwa_training.codec.critic import WINDOWS, Critic, critic_loss, decoder_loss
from torch import Tensor

SAMPLES = 2_400
MADE, ORIGINAL = torch.zeros(2, 64), torch.ones(2, 64)


def opinion(made: float, original: float, feature: float = 1.0) -> Critic:
    """A critic of one layer who tells its verdicts by the first sample; it sees `feature` x it."""

    def judge(pcm: Tensor) -> list[list[Tensor]]:
        seen = 1 + feature * pcm
        verdict = made + (original - made) * pcm[:, :1]
        return [[seen, verdict]]

    return cast(Critic, judge)


def noise(seed: int, level: float = 0.1) -> Tensor:
    return level * torch.randn(2, SAMPLES, generator=torch.Generator().manual_seed(seed))


def test_there_is_an_opinion_on_every_place_of_each_spectrum() -> None:
    torch.manual_seed(1)
    opinions = Critic()(noise(1))
    assert len(opinions) == len(WINDOWS)
    for window, seen in zip(WINDOWS, opinions, strict=True):
        assert len(seen) == 5
        batch, channels, _, times = seen[-1].shape
        assert (batch, channels, times) == (2, 1, SAMPLES // (window // 4) + 1)


@pytest.mark.parametrize(
    ("made", "original", "loss"), [(-1, 1, 0), (-5, 5, 0), (1, -1, 4), (0, 0, 2)]
)
def test_a_critic_who_is_right_by_a_margin_has_nothing_to_learn(
    made: float, original: float, loss: float
) -> None:
    assert critic_loss(opinion(made, original), MADE, ORIGINAL).item() == pytest.approx(loss)


def test_the_decoder_gains_from_a_better_verdict() -> None:
    alike = opinion(-1, 1, feature=0.0)
    better = opinion(1, 1, feature=0.0)
    gain = decoder_loss(alike, MADE, ORIGINAL) - decoder_loss(better, MADE, ORIGINAL)
    assert gain.item() == pytest.approx(2 / 2)


def test_the_decoder_gains_from_looking_alike_to_the_layers() -> None:
    loss = decoder_loss(opinion(0, 0, feature=3.0), MADE, ORIGINAL)
    assert loss.item() == pytest.approx(10 * 3 / 4 / 2)
    assert decoder_loss(opinion(0, 0), ORIGINAL, ORIGINAL).item() == 0


def test_only_what_was_made_is_asked_to_change() -> None:
    torch.manual_seed(1)
    critic = Critic()
    made, original = noise(1).requires_grad_(), noise(2).requires_grad_()
    decoder_loss(critic, made, original).backward()
    assert original.grad is None
    assert made.grad is not None and bool(made.grad.abs().sum() > 0)


def test_silence_gives_finite_gradients() -> None:
    torch.manual_seed(1)
    made = torch.zeros(1, SAMPLES, requires_grad=True)
    decoder_loss(Critic(), made, noise(1)[:1]).backward()
    assert made.grad is not None and bool(made.grad.isfinite().all())


def test_a_critic_learns_to_tell_a_hum_from_noise() -> None:
    torch.manual_seed(1)
    critic = Critic()
    hum = 0.1 * torch.sin(torch.arange(SAMPLES) * 0.05).expand(2, -1)
    optimizer = torch.optim.Adam(critic.parameters(), lr=3e-3)
    losses = []
    for step in range(8):
        loss = critic_loss(critic, hum, noise(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1.9 and losses[-1] < 1.4
