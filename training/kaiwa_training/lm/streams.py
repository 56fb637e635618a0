"""What the LM reads and writes in each step of whole conversations, as the delay line has it.

Tokens [B, K, T] are aligned frames: text, Moshi's codebooks, the user's. A stream with delay d is
read d + 1 steps after its frame, up to then as its initial token, and written d steps after it.
"""

import torch
import torch.nn.functional as F
from kaiwa_server.models.lm_config import LmConfig
from torch import Tensor

NOT_WRITTEN = -1
"""Stands for a token that a step writes and no frame holds."""


def initial_tokens(config: LmConfig) -> list[int]:
    """The initial token of each stream, which is the one after its last."""
    audio = [config.codebook_size] * (2 * config.codebooks)
    return [config.text_vocabulary_size, *audio]


def read_tokens(tokens: Tensor, config: LmConfig) -> Tensor:
    """What each step reads, [B, K, T]."""
    streams = zip(tokens.unbind(1), config.delays, initial_tokens(config), strict=True)
    return torch.stack([_late(stream, 1 + delay, first) for stream, delay, first in streams], 1)


def written_tokens(tokens: Tensor, config: LmConfig) -> Tensor:
    """What each step is to write, [B, 1 + codebooks, T]; NOT_WRITTEN where no frame holds it."""
    written = 1 + config.codebooks
    streams = zip(tokens[:, :written].unbind(1), config.delays[:written], strict=True)
    return torch.stack([_late(stream, delay, NOT_WRITTEN) for stream, delay in streams], 1)


def _late(stream: Tensor, steps: int, first: int) -> Tensor:
    """The stream [B, T], that many steps late."""
    return F.pad(stream, (steps, 0), value=first)[:, : stream.shape[1]]
