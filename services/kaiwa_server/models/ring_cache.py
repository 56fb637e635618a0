"""The keys and values a transformer remembers: one ring of `context` positions for each slot."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Window:
    """Where one call writes and what it may see; the same for every layer.

    `readable` picks the rows and the first `filled` places are read. `visible` [B, 1, T, filled]
    says which of them each new position attends to.
    """

    rows: Tensor
    places: Tensor
    readable: Tensor | slice
    filled: int
    visible: Tensor


class TransformerState:
    """What a transformer remembers for its slots: a clock, and keys and values for each layer.

    The position that a place of the ring holds is derived from the clock: once the clock is at 0,
    every place counts as empty. Keys and values of 8 bits have scales, one for each vector.
    """

    def __init__(
        self,
        slots: int,
        *,
        layers: int,
        heads: int,
        context: int,
        head_dim: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        shape = (layers, 2, slots, heads, context, head_dim)
        self.context = context
        self.position = torch.zeros(slots, dtype=torch.int64, device=device)  # [S]
        self.rings = torch.zeros(shape, device=device, dtype=dtype)
        scaled = dtype == torch.int8
        self.scales = torch.zeros(shape[:-1], device=device) if scaled else None
        self._by_layer = [ring.unbind() for ring in self.rings]  # keys and values of each

    def reset(self, slot: int) -> None:
        """Makes the slot's state that of a new session."""
        self.position[slot] = 0
        self.rings[:, :, slot] = 0.0  # a NaN that a broken session left would pass any mask

    @property
    def memory_bytes(self) -> int:
        """What all slots take of memory."""
        scales = 0 if self.scales is None else self.scales.nbytes
        return self.position.nbytes + self.rings.nbytes + scales

    def fill(self) -> None:
        """Makes every slot's state that of a session as long as the context.

        From there on a step sees all that it can ever see, and takes as long as it can ever take.
        """
        self.position[:] = self.context
        self.rings[:] = 0.0  # a CPU reads memory that nobody has written to sooner

    def next_positions(self, rows: Tensor, count: int) -> Tensor:
        """The next `count` positions of each of the rows [B], [B, count], at most `context`.

        They count from 0 since the slot's reset and never wrap.
        """
        assert 0 < count <= self.context
        return self.position[rows, None] + torch.arange(count, device=self.position.device)

    def window(self, rows: Tensor, positions: Tensor) -> Window:
        """Plans a call that adds these positions [B, T] to the rows [B]."""
        last = positions[:, -1:]  # [B, 1]
        filled = min(int(last.max()) + 1, self.context)
        place = torch.arange(filled, device=self.position.device)
        # Once this call has written, a place holds the newest position that falls on it; a
        # negative one was not written since the reset.
        held = last - (last - place) % self.context  # [B, filled]
        visible = (held >= 0)[:, None] & (held[:, None] <= positions[:, :, None])
        return Window(
            rows=rows,
            places=positions % self.context,
            readable=_neighbours(rows),
            filled=filled,
            visible=visible[:, None],
        )

    def write(self, layer: int, window: Window, keys: Tensor, values: Tensor) -> None:
        """Puts the new keys and values [B, T, H, Dh] in their places."""
        rows = window.rows[:, None]
        all_keys, all_values = self._by_layer[layer]
        all_keys[rows, :, window.places] = keys
        all_values[rows, :, window.places] = values

    def read(self, layer: int, window: Window) -> tuple[Tensor, Tensor]:
        """The keys and values [B, H, filled, Dh] of the window's rows."""
        keys, values = self._by_layer[layer]
        filled = window.filled
        return keys[:, :, :filled][window.readable], values[:, :, :filled][window.readable]

    def advance(self, rows: Tensor, positions: Tensor) -> None:
        """Moves the clock of the rows past the positions that the call has added."""
        self.position[rows] = positions[:, -1] + 1


def _neighbours(rows: Tensor) -> Tensor | slice:
    """The rows as a slice where they lie side by side: those are read without a copy."""
    first, count = int(rows[0]), len(rows)
    if rows.tolist() == list(range(first, first + count)):
        return slice(first, first + count)
    return rows
