"""Attention of one codebook to itself and those before it, on a GPU."""

import torch
import triton
import triton.language as tl
from torch import Tensor


def attend_codebook(joined: Tensor, rings: Tensor, codebook: int) -> Tensor:
    """[B, 1, H * Dh]; the layer's rings [2, B, H, codebooks, Dh] take up the key and the value.

    `joined` [B, 1, 3, H, Dh] are the codebook's query, key and value.
    """
    batch, _, _, heads, head_dim = joined.shape
    codebooks = rings.shape[3]
    out = torch.empty((batch, 1, heads * head_dim), device=joined.device, dtype=joined.dtype)
    _attend_codebook[batch, heads](
        joined,
        rings,
        out,
        batch,
        codebook,
        head_dim**-0.5,
        HEADS=heads,
        CODEBOOKS=codebooks,
        HEAD_DIM=head_dim,
        PLACES=triton.next_power_of_2(codebooks),
        WIDTH=triton.next_power_of_2(head_dim),
    )
    return out


@triton.jit
def _attend_codebook(
    joined,
    rings,
    out,
    batch,
    codebook,
    sharpness,
    HEADS: tl.constexpr,
    CODEBOOKS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    PLACES: tl.constexpr,
    WIDTH: tl.constexpr,
):
    row, head = tl.program_id(0), tl.program_id(1)
    number, place = tl.arange(0, WIDTH), tl.arange(0, PLACES)
    inside = number < HEAD_DIM
    kind = out.dtype.element_ty
    at = joined + (row * 3 * HEADS + head) * HEAD_DIM + number
    query = tl.load(at, inside, 0.0).to(tl.float32) * sharpness
    key = tl.load(at + HEADS * HEAD_DIM, inside, 0.0)
    value = tl.load(at + 2 * HEADS * HEAD_DIM, inside, 0.0)
    keys = rings + (row * HEADS + head) * CODEBOOKS * HEAD_DIM
    values = keys + batch * HEADS * CODEBOOKS * HEAD_DIM
    tl.store(keys + codebook * HEAD_DIM + number, key, inside)
    tl.store(values + codebook * HEAD_DIM + number, value, inside)

    # What has just been written is taken from here: a program does not see its own stores at once.
    own = (place == codebook)[:, None]
    read = (place < codebook)[:, None] & inside[None, :]
    cells = place[:, None] * HEAD_DIM + number[None, :]
    known = tl.where(own, key[None, :], tl.load(keys + cells, read, 0.0)).to(tl.float32)
    score = tl.sum(known * query[None, :], axis=1)
    score = tl.where(place <= codebook, score, float("-inf"))
    weight = tl.exp(score - tl.max(score))
    told = tl.where(own, value[None, :], tl.load(values + cells, read, 0.0)).to(tl.float32)
    seen = tl.sum(told * weight[:, None], axis=0) / tl.sum(weight)
    tl.store(out + (row * HEADS + head) * HEAD_DIM + number, seen.to(kind), inside)
