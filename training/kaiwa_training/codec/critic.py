"""A critic that tells made sound from original sound; the decoder learns to please it.

It sees complex spectra at two resolutions (after the multi-scale STFT discriminator of Défossez et
al., "High fidelity neural audio compression", 2022), made small.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOWS = (512, 1024)
CHANNELS = 12


class SpectrumCritic(nn.Module):
    """Judges a complex spectrum, place by place."""

    shape: Tensor

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window
        self.register_buffer("shape", torch.hann_window(window), persistent=False)
        wide = CHANNELS
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(2, wide, (9, 3), stride=(2, 1), padding=(4, 1)),
                nn.Conv2d(wide, wide, (9, 3), stride=(2, 1), padding=(4, 1)),
                nn.Conv2d(wide, wide, (9, 3), stride=(2, 1), padding=(4, 1)),
                nn.Conv2d(wide, wide, (3, 3), padding=(1, 1)),
            ]
        )
        self.verdict = nn.Conv2d(wide, 1, (3, 3), padding=(1, 1))

    def forward(self, pcm: Tensor) -> list[Tensor]:
        """pcm [B, n] -> what each layer sees; the last is the verdict."""
        spectrum = torch.stft(
            pcm, self.window, self.window // 4, window=self.shape, return_complex=True
        )
        x = torch.view_as_real(spectrum).permute(0, 3, 1, 2)  # [B, 2, F, T]
        x = x * x.norm(dim=1, keepdim=True).clamp(min=1e-4).rsqrt()  # roots: quiet parts count
        seen = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            seen.append(x)
        return [*seen, self.verdict(x)]


class Critic(nn.ModuleList):
    """A spectrum critic for each window."""

    def __init__(self) -> None:
        super().__init__(SpectrumCritic(window) for window in WINDOWS)

    def forward(self, pcm: Tensor) -> list[list[Tensor]]:
        """pcm [B, n] -> what each critic's layers see."""
        return [critic(pcm) for critic in self]


def critic_loss(critic: Critic, made: Tensor, original: Tensor) -> Tensor:
    """Low when originals are told to be so and made sound is not (hinge)."""
    pairs = zip(critic(made), critic(original), strict=True)
    losses = [F.relu(1 + bad[-1]).mean() + F.relu(1 - good[-1]).mean() for bad, good in pairs]
    return torch.stack(losses).mean()


def decoder_loss(critic: Critic, made: Tensor, original: Tensor) -> Tensor:
    """Low when made sound passes, and looks to the critic's layers as the original does."""
    with torch.no_grad():
        wanted = critic(original)
    losses = []
    for seen, goal in zip(critic(made), wanted, strict=True):
        losses.append(-seen[-1].mean())
        for ours, theirs in zip(seen[:-1], goal[:-1], strict=True):
            losses.append(10 * (ours - theirs).abs().mean() / theirs.abs().mean())
    return torch.stack(losses).mean()
