"""Rotary positions (RoPE, Su et al. 2021) on interleaved pairs, computed in fp32."""

import math

import torch
from torch import Tensor


def rope_turns(positions: Tensor, head_dim: int, max_period: float) -> Tensor:
    """What turns each pair at positions [B, T], as a complex number of length 1: [B, T, Dh / 2]."""
    pairs = torch.arange(head_dim // 2, device=positions.device, dtype=torch.float32)
    frequencies = torch.exp(pairs * (-2.0 * math.log(max_period) / head_dim))
    angles = positions.float()[:, :, None] * frequencies
    return torch.polar(torch.ones_like(angles), angles)


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Turns the pairs (0, 1), (2, 3), ... of x [B, T, ..., Dh] by `turns` [B, T, Dh / 2]."""
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    between = (1,) * (pairs.ndim - turns.ndim)
    turned = pairs * turns.view(*turns.shape[:2], *between, turns.shape[-1])
    return torch.view_as_real(turned).flatten(-2).to(x.dtype)
