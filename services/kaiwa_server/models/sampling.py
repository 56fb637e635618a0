"""Drawing a token: temperature, the top k, and the inverse of the distribution function."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kaiwa_server.kernels.library import available
from kaiwa_server.models import kernel_draw

PARTED = 4
"""Where less than one in so many tokens is drawn from, the others are set aside unsorted."""


@dataclass(frozen=True)
class SamplingRows:
    """How each row draws: temperatures [B] float32, and how many tokens it draws from [B] int64."""

    text_temperature: Tensor
    text_top_k: Tensor
    audio_temperature: Tensor
    audio_top_k: Tensor

    @classmethod
    def greedy(cls, rows: int, device: torch.device | str = "cpu") -> "SamplingRows":
        """Always takes the likeliest token."""
        return cls(
            text_temperature=torch.zeros(rows, device=device),
            text_top_k=torch.ones(rows, dtype=torch.int64, device=device),
            audio_temperature=torch.zeros(rows, device=device),
            audio_top_k=torch.ones(rows, dtype=torch.int64, device=device),
        )

    def take(self, rows: Tensor) -> "SamplingRows":
        """Those of the rows [B]."""
        return SamplingRows(
            text_temperature=self.text_temperature[rows],
            text_top_k=self.text_top_k[rows],
            audio_temperature=self.audio_temperature[rows],
            audio_top_k=self.audio_top_k[rows],
        )


def sample(logits: Tensor, temperature: Tensor, top_k: Tensor, uniform: Tensor) -> Tensor:
    """Draws a token [B] from each row of logits [B, V] as a function of its uniform in [0, 1).

    The tokens are lined up from the likeliest down, ties by number. The draw is the first whose
    share of the row's top k, summed with those before it, exceeds the uniform. A row's result
    depends on nothing but the row.

    Args:
        logits: any float type; [B, V].
        temperature: 0 takes the likeliest token; [B].
        top_k: how many tokens to draw from, at least 1; more than V is V; [B].
        uniform: the one random number of the draw; [B].
    """
    _, size = logits.shape
    logits = logits.float()
    if logits.device.type == "cpu" and available():
        return kernel_draw.draw(logits, temperature, top_k, uniform)
    greedy = temperature == 0
    count = torch.where(greedy, 1, top_k.clamp(max=size))
    last = count[:, None] - 1  # [B, 1]
    ordered = _descending(logits, count)  # [B, n]
    divisor = torch.where(greedy, 1.0, temperature)[:, None]
    weights = ((ordered - ordered[:, :1]) / divisor).exp()  # the likeliest token's is 1
    cumulative = weights.cumsum(dim=-1)
    target = uniform.float()[:, None] * cumulative.gather(-1, last)
    rank = torch.searchsorted(cumulative, target, right=True)  # [B, 1]
    # A uniform just below 1 may round up to the whole sum.
    drawn = ordered.gather(-1, rank.minimum(last))  # [B, 1]
    return _numbered(logits, drawn, rank.minimum(last) - (ordered > drawn).sum(-1, keepdim=True))


def _descending(logits: Tensor, count: Tensor) -> Tensor:
    """Each row [B, V] from the largest down, `count` [B] or more of it, without their numbers.

    On a CPU, numpy sorts floats with vector instructions: 8 rows of 512 took it an eighteenth of
    the time that torch takes for values with their places. A GPU is not asked how many it takes,
    since the host would wait for the answer.
    """
    if logits.device.type != "cpu":
        return logits.sort(dim=-1, descending=True).values
    negated, most = -logits.numpy(), int(count.max())
    if most < logits.shape[1] // PARTED:
        negated = np.partition(negated, most - 1, axis=-1)[:, :most]
    negated.sort(axis=-1)
    return torch.from_numpy(-negated)


def _numbered(logits: Tensor, value: Tensor, before: Tensor) -> Tensor:
    """The number [B] of the token that has this logit, `before` [B, 1] of its equals skipped."""
    equals = (logits == value).cumsum(dim=-1)  # [B, V]
    return (equals > before).int().argmax(dim=-1)  # the first of the largest
