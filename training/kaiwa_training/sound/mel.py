"""Mel spectra, as the training's targets and losses see sound."""

import math

import torch
import torch.nn.functional as F
from kaiwa_server.audio import SAMPLE_RATE_HZ
from torch import Tensor, nn

FLOOR = 1.5e-3
"""Added before the logarithm. With a smaller one the silence decides the loss."""


class LogMel(nn.Module):
    """log10 of mel magnitudes; causal frames of `window` samples every `hop`."""

    filters: Tensor
    shape: Tensor

    def __init__(self, *, window: int, hop: int, bands: int) -> None:
        super().__init__()
        self.window, self.hop = window, hop
        self.register_buffer("filters", mel_filters(window, bands), persistent=False)
        self.register_buffer("shape", torch.hann_window(window), persistent=False)

    def magnitudes(self, pcm: Tensor) -> Tensor:
        """pcm [B, n] -> [B, window / 2 + 1, n / hop], a sine of amplitude 1 at about 1."""
        padded = F.pad(pcm, (self.window - self.hop, 0))
        spectrum = torch.stft(
            padded, self.window, self.hop, window=self.shape, center=False, return_complex=True
        )
        return (spectrum.abs() + 1e-7) * (2 / self.shape.sum())

    def forward(self, pcm: Tensor) -> Tensor:
        """pcm [B, n] -> [B, bands, n / hop]."""
        return (self.filters @ self.magnitudes(pcm) + FLOOR).log10()


def mel_filters(window: int, bands: int) -> Tensor:
    """Triangles [bands, window / 2 + 1] that lie evenly on the mel scale (O'Shaughnessy, 1987)."""
    top = _mel(SAMPLE_RATE_HZ / 2)
    edges = torch.tensor([_hz(top * i / (bands + 1)) for i in range(bands + 2)])
    bins_hz = torch.linspace(0, SAMPLE_RATE_HZ / 2, window // 2 + 1)
    rising = (bins_hz - edges[:-2, None]) / (edges[1:-1, None] - edges[:-2, None])
    falling = (edges[2:, None] - bins_hz) / (edges[2:, None] - edges[1:-1, None])
    return torch.minimum(rising, falling).clamp(min=0)


def _mel(hz: float) -> float:
    return 2595 * math.log10(1 + hz / 700)


def _hz(mel: float) -> float:
    return 700 * (10 ** (mel / 2595) - 1)
