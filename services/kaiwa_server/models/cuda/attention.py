"""Attention to a ring of keys and values on a GPU: it reads only what is filled.

A query is one position of one row, so that a step is bound by how fast keys and values are read.
They are read in pieces by several programs at once, where the rows alone do not occupy the GPU,
and the pieces are put together as in FlashDecoding (Dao et al., 2023).
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 64
"""Places that a program reads at a time."""

PROGRAMS = 512
"""So many programs occupy a GPU of 132 multiprocessors."""

MOST_PIECES = 32


@dataclass(frozen=True)
class LayerRing:
    """One layer's keys and values [2, S, H, context, Dh].

    With 8 bits each of them has a scale [2, S, H, context]: the largest of its numbers is 127.
    """

    ring: Tensor
    scales: Tensor | None


def attend(
    joined: Tensor, turns: Tensor, ring: LayerRing, slots: Tensor, positions: Tensor
) -> Tensor:
    """Attention of new positions to what the ring holds once they are in it: [B, T, H * Dh].

    Args:
        joined: queries, keys and values of the new positions, [B, T, 3, H, Dh].
        turns: what turns each pair of a query or key, complex [B, T, Dh / 2].
        ring: takes up the keys, turned, and the values.
        slots: which the rows are, int64 [B].
        positions: since the slots' reset, int64 [B, T], one after the other.
    """
    batch, count, _, heads, head_dim = joined.shape
    *_, places, _ = ring.ring.shape
    queries = joined.new_empty(batch, count, heads, head_dim)
    # Without 8 bits nothing is kept there: any address does.
    scales = ring.ring if ring.scales is None else ring.scales
    width = triton.next_power_of_2(head_dim)
    shape = {
        "SLOTS": ring.ring.shape[1],
        "HEADS": heads,
        "COUNT": count,
        "PLACES": places,
        "HEAD_DIM": head_dim,
        "EIGHT_BITS": ring.scales is not None,
        "WIDTH": width,
    }
    _store[batch * count, heads](
        joined,
        torch.view_as_real(turns),
        queries,
        ring.ring,
        scales,
        slots,
        positions,
        **shape,
        HALF=triton.next_power_of_2(head_dim // 2),
    )
    pieces = _pieces(batch * count * heads, places)
    out = torch.empty_like(queries)
    # The last two numbers of a piece are its largest score and the sum of its weights.
    parts = torch.empty(
        (batch * count, heads, pieces, width + 2), device=joined.device, dtype=torch.float32
    )
    _attend[batch * count, heads, pieces](
        queries,
        ring.ring,
        scales,
        slots,
        positions,
        parts,
        head_dim**-0.5,
        **shape,
        PIECES=pieces,
        BLOCK=BLOCK,
    )
    _join[batch * count, heads](
        parts, out, HEADS=heads, PIECES=pieces, HEAD_DIM=head_dim, WIDTH=width
    )
    return out.flatten(2)


def _pieces(programs: int, places: int) -> int:
    """Into how many pieces the places are cut, a power of 2; a piece is a block or more."""
    most = max(1, min(PROGRAMS // programs, places // BLOCK, MOST_PIECES))
    return 1 << (most.bit_length() - 1)


@triton.jit
def _store(
    joined,
    turns,
    queries,
    ring,
    scales,
    slots,
    positions,
    SLOTS: tl.constexpr,
    HEADS: tl.constexpr,
    COUNT: tl.constexpr,
    PLACES: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    EIGHT_BITS: tl.constexpr,
    HALF: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """Turns a position's query and key, and puts its key and value into the ring."""
    position, head = tl.program_id(0), tl.program_id(1)
    slot = tl.load(slots + position // COUNT)
    place = tl.load(positions + position) % PLACES
    into = (slot * HEADS + head) * PLACES + place  # of keys; values are a ring further
    to_values = tl.cast(SLOTS, tl.int64) * HEADS * PLACES
    query = joined + (position * 3 * HEADS + head) * HEAD_DIM
    key, value = query + HEADS * HEAD_DIM, query + 2 * HEADS * HEAD_DIM

    pair = tl.arange(0, HALF)
    real = pair < HEAD_DIM // 2
    turn = turns + position * HEAD_DIM + 2 * pair
    cosine, sine = tl.load(turn, real, 0.0), tl.load(turn + 1, real, 0.0)
    even, odd = _turned(query, pair, real, cosine, sine)
    out = queries + (position * HEADS + head) * HEAD_DIM + 2 * pair
    tl.store(out, even, real)
    tl.store(out + 1, odd, real)
    even, odd = _turned(key, pair, real, cosine, sine)
    number = tl.arange(0, WIDTH)
    inside = number < HEAD_DIM
    values = tl.load(value + number, inside, 0.0).to(tl.float32)
    if EIGHT_BITS:
        largest = tl.maximum(tl.max(tl.abs(even)), tl.max(tl.abs(odd)))
        scale = tl.maximum(largest, 1e-30) / 127
        tl.store(scales + into, scale)
        even, odd = tl.floor(even / scale + 0.5), tl.floor(odd / scale + 0.5)
        scale = tl.maximum(tl.max(tl.abs(values)), 1e-30) / 127
        tl.store(scales + to_values + into, scale)
        values = tl.floor(values / scale + 0.5)
    kind = ring.dtype.element_ty
    tl.store(ring + into * HEAD_DIM + 2 * pair, even.to(kind), real)
    tl.store(ring + into * HEAD_DIM + 2 * pair + 1, odd.to(kind), real)
    tl.store(ring + (to_values + into) * HEAD_DIM + number, values.to(kind), inside)


@triton.jit
def _turned(vector, pair, real, cosine, sine):
    """The turned pairs of a vector, rounded to what it is kept in."""
    even = tl.load(vector + 2 * pair, real, 0.0).to(tl.float32)
    odd = tl.load(vector + 2 * pair + 1, real, 0.0).to(tl.float32)
    kind = vector.dtype.element_ty
    first = (even * cosine - odd * sine).to(kind).to(tl.float32)
    second = (even * sine + odd * cosine).to(kind).to(tl.float32)
    return first, second


@triton.jit
def _attend(
    queries,
    ring,
    scales,
    slots,
    positions,
    parts,
    sharpness,
    SLOTS: tl.constexpr,
    HEADS: tl.constexpr,
    COUNT: tl.constexpr,
    PLACES: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    EIGHT_BITS: tl.constexpr,
    PIECES: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Attention of a position to one piece of what is filled."""
    position, head, piece = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    row = position // COUNT
    slot = tl.load(slots + row)
    own = tl.load(positions + position)
    last = tl.load(positions + row * COUNT + COUNT - 1)  # the newest that is in the ring
    filled = tl.minimum(last + 1, PLACES)
    length = tl.cdiv(tl.cdiv(filled, PIECES), BLOCK) * BLOCK
    first = piece * length
    end = tl.minimum(first + length, filled)

    number = tl.arange(0, WIDTH)
    inside = number < HEAD_DIM
    query = tl.load(queries + (position * HEADS + head) * HEAD_DIM + number, inside, 0.0)
    query = query.to(tl.float32) * sharpness
    keys = (slot * HEADS + head) * PLACES
    values = keys + tl.cast(SLOTS, tl.int64) * HEADS * PLACES
    highest = tl.full((), float("-inf"), tl.float32)
    total = tl.full((), 0.0, tl.float32)
    sums = tl.zeros((WIDTH,), tl.float32)
    for start in range(first, end, BLOCK):
        place = start + tl.arange(0, BLOCK)
        # A place holds the newest position that falls on it, which may be later than this one.
        held = last - (last - place) % PLACES
        visible = (place < end) & (held <= own)
        read = visible[:, None] & inside[None, :]
        key = tl.load(ring + (keys + place)[:, None] * HEAD_DIM + number[None, :], read, 0.0)
        score = tl.sum(key.to(tl.float32) * query[None, :], axis=1)
        if EIGHT_BITS:
            score *= tl.load(scales + keys + place, visible, 0.0)
        score = tl.where(visible, score, float("-inf"))
        risen = tl.maximum(highest, tl.max(score))
        level = tl.where(risen == float("-inf"), 0.0, risen)  # nothing was visible so far
        weight = tl.exp(score - level)
        fade = tl.exp(highest - level)
        total = total * fade + tl.sum(weight)
        if EIGHT_BITS:
            weight *= tl.load(scales + values + place, visible, 0.0)
        value = tl.load(ring + (values + place)[:, None] * HEAD_DIM + number[None, :], read, 0.0)
        sums = sums * fade + tl.sum(value.to(tl.float32) * weight[:, None], axis=0)
        highest = risen
    part = parts + ((position * HEADS + head) * PIECES + piece) * (WIDTH + 2)
    tl.store(part + number, sums)
    tl.store(part + WIDTH, highest)
    tl.store(part + WIDTH + 1, total)


@triton.jit
def _join(
    parts,
    out,
    HEADS: tl.constexpr,
    PIECES: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """Puts the pieces of a position's attention together."""
    position, head = tl.program_id(0), tl.program_id(1)
    number, piece = tl.arange(0, WIDTH), tl.arange(0, PIECES)
    inside = number < HEAD_DIM
    begins = parts + ((position * HEADS + head) * PIECES + piece) * (WIDTH + 2)
    highest = tl.load(begins + WIDTH)
    # A piece may be empty, but not the one that holds the position itself.
    fade = tl.exp(highest - tl.max(highest))
    total = tl.sum(fade * tl.load(begins + WIDTH + 1))
    sums = tl.load(begins[:, None] + number[None, :])
    seen = tl.sum(sums * fade[:, None], axis=0) / total
    to = out + (position * HEADS + head) * HEAD_DIM + number
    tl.store(to, seen.to(out.dtype.element_ty), inside)
