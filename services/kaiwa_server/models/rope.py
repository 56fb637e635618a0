"""Rotary positions (RoPE, Su et al. 2021) on interleaved pairs, computed in fp32."""

import math

import torch
from torch import Tensor

Angles = tuple[Tensor, Tensor]
"""The cosines and sines of the pairs' angles, [B, 1, T, head_dim / 2] each."""


def rope_angles(positions: Tensor, head_dim: int, max_period: float) -> Angles:
    """By how much to turn each pair at positions [B, T]."""
    pairs = torch.arange(head_dim // 2, device=positions.device, dtype=torch.float32)
    frequencies = torch.exp(pairs * (-2.0 * math.log(max_period) / head_dim))
    angles = positions.float()[:, None, :, None] * frequencies
    return angles.cos(), angles.sin()


def rotate(x: Tensor, angles: Angles) -> Tensor:
    """Turns the pairs (0, 1), (2, 3), ... of x [B, H, T, Dh] by their angles."""
    cos, sin = angles
    real, imaginary = x.float().view(*x.shape[:-1], -1, 2).unbind(-1)  # [B, H, T, Dh / 2]
    turned = torch.stack((real * cos - imaginary * sin, real * sin + imaginary * cos), dim=-1)
    return turned.flatten(-2).to(x.dtype)
