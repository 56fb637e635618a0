"""Draws of tokens as one call of the kernels."""

import ctypes

import torch
from torch import Tensor

from kaiwa_server.kernels import library
from kaiwa_server.kernels.library import kernels


def draw(logits: Tensor, temperature: Tensor, top_k: Tensor, uniform: Tensor) -> Tensor:
    """Draws a token [B] from each row of logits [B, V] in fp32; see `models.sampling.sample`."""
    logits, temperature, top_k = logits.contiguous(), temperature.contiguous(), top_k.contiguous()
    uniform = uniform.float()
    tokens = torch.empty(len(logits), dtype=torch.int64)
    draws = library.Draws(
        temperature.data_ptr(), top_k.data_ptr(), uniform.data_ptr(), uniform.stride(0)
    )
    kernels().kaiwa_draw(ctypes.byref(draws), logits.data_ptr(), *logits.shape, tokens.data_ptr())
    return tokens
