"""What a layer does between its products on a GPU, in one launch where torch takes several."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kaiwa_server.models.kernel_layers import NormParts


def added_and_normed(
    x: Tensor, branch: Tensor | None, scale: Tensor | None, norm: NormParts
) -> tuple[Tensor, Tensor]:
    """x + scale * branch, and that normed; [..., D] both, and [D] the scale."""
    dim = x.shape[-1]
    summed, normed = torch.empty_like(x), torch.empty_like(x)
    _add_and_norm[(x.numel() // dim,)](
        x,
        x if branch is None else branch,
        x if scale is None else scale,
        norm.weight,
        norm.weight if norm.bias is None else norm.bias,
        summed,
        normed,
        norm.eps,
        DIM=dim,
        WIDTH=triton.next_power_of_2(dim),
        ADDS=branch is not None,
        SCALES=scale is not None,
        CENTRES=norm.bias is not None,
    )
    return summed, normed


def gated(joined: Tensor) -> Tensor:
    """SiLU of the first half of joined [..., 2 * hidden] times the second, [..., hidden]."""
    hidden = joined.shape[-1] // 2
    out = joined.new_empty(*joined.shape[:-1], hidden)
    _gate[out.numel() // hidden, triton.cdiv(hidden, 1024)](joined, out, HIDDEN=hidden, WIDTH=1024)
    return out


@triton.jit
def _add_and_norm(
    x,
    branch,
    scale,
    weight,
    bias,
    summed,
    normed,
    eps,
    DIM: tl.constexpr,
    WIDTH: tl.constexpr,
    ADDS: tl.constexpr,
    SCALES: tl.constexpr,
    CENTRES: tl.constexpr,
):
    row, number = tl.program_id(0), tl.arange(0, WIDTH)
    inside = number < DIM
    kind = x.dtype.element_ty
    value = tl.load(x + row * DIM + number, inside, 0.0).to(tl.float32)
    if ADDS:
        added = tl.load(branch + row * DIM + number, inside, 0.0).to(tl.float32)
        if SCALES:
            added *= tl.load(scale + number, inside, 0.0).to(tl.float32)
            added = added.to(kind).to(tl.float32)
        value = (value + added).to(kind).to(tl.float32)
    tl.store(summed + row * DIM + number, value.to(kind), inside)
    if CENTRES:
        value = tl.where(inside, value - tl.sum(value) / DIM, 0.0)
    value *= tl.rsqrt(tl.sum(value * value) / DIM + eps)
    value *= tl.load(weight + number, inside, 0.0).to(tl.float32)
    if CENTRES:
        value += tl.load(bias + number, inside, 0.0).to(tl.float32)
    tl.store(normed + row * DIM + number, value.to(kind), inside)


@triton.jit
def _gate(joined, out, HIDDEN: tl.constexpr, WIDTH: tl.constexpr):
    row, number = tl.program_id(0), tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    inside = number < HIDDEN
    kind = joined.dtype.element_ty
    gate = tl.load(joined + row * 2 * HIDDEN + number, inside, 0.0).to(tl.float32)
    value = tl.load(joined + row * 2 * HIDDEN + HIDDEN + number, inside, 0.0).to(tl.float32)
    silu = (gate / (1 + tl.exp(-gate))).to(kind).to(tl.float32)
    tl.store(out + row * HIDDEN + number, (silu * value).to(kind), inside)
