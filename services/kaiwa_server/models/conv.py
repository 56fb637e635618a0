"""Causal convolutions that go on where the slot's last call ended."""

from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEW_OUTPUTS = 8
"""Up to so many, a CPU is done sooner with one product over all windows than with a convolution,
which first lays out the weights anew in each call (3 times sooner for 512 to 1024 channels)."""


class ConvTail:
    """What one convolution remembers for its slots.

    `tail` [S, C, n] holds the inputs (or, of a transposed one, the sums) that reach into the next
    call. `fresh` [S] is true until the slot's first call; only replicate padding asks for it.
    """

    def __init__(self, slots: int, channels: int, length: int, weight: Tensor) -> None:
        self.tail = torch.zeros(slots, channels, length, device=weight.device, dtype=weight.dtype)
        self.fresh = torch.ones(slots, device=weight.device, dtype=torch.bool)

    def reset(self, slot: int) -> None:
        """Makes the slot's state that of a new session."""
        self.tail[slot] = 0.0
        self.fresh[slot] = True

    @property
    def memory_bytes(self) -> int:
        """What all slots take of memory."""
        return self.tail.nbytes + self.fresh.nbytes


class ConvState:
    """What all the convolutions of some networks remember for their slots."""

    def __init__(self, slots: int, *networks: nn.Module) -> None:
        self._tails: dict[nn.Module, ConvTail] = {
            module: module.new_tail(slots)
            for network in networks
            for module in network.modules()
            if isinstance(module, CausalConv1d | CausalConvTranspose1d)
        }

    def __getitem__(self, convolution: nn.Module) -> ConvTail:
        return self._tails[convolution]

    def reset(self, slot: int) -> None:
        """Makes the slot's state that of a new session."""
        for tail in self._tails.values():
            tail.reset(slot)

    @property
    def memory_bytes(self) -> int:
        """What all slots take of memory."""
        return sum(tail.memory_bytes for tail in self._tails.values())


class CausalConv1d(nn.Module):
    """A convolution whose output at a time sees nothing later.

    What lies before a session's first sample counts as zeros, or with `padding="replicate"` as
    that first sample over and over.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        bias: bool = True,
        padding: Literal["zeros", "replicate"] = "zeros",
    ) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = stride
        self.replicates = padding == "replicate"
        inner = nn.Conv1d(in_channels, out_channels, kernel, stride, bias=bias)
        self.conv = nn.ModuleDict({"conv": inner})  # checkpoints say conv.conv

    @property
    def _inner(self) -> nn.Conv1d:
        return cast(nn.Conv1d, self.conv["conv"])

    @property
    def _tail_length(self) -> int:
        return self.kernel - self.stride

    def new_tail(self, slots: int) -> ConvTail:
        """What this convolution remembers for `slots` new sessions."""
        return ConvTail(slots, self._inner.in_channels, self._tail_length, self._inner.weight)

    def forward(self, x: Tensor, state: ConvState, rows: Tensor) -> Tensor:
        """x [B, C, T] of the slots `rows` [B] -> [B, C', T / stride]; T is a multiple of stride."""
        length = x.shape[-1]
        assert length % self.stride == 0
        if self._tail_length:
            x = self._after_tail(x, state[self], rows)
        if length // self.stride <= FEW_OUTPUTS:
            return self._convolve_few(x)
        out: Tensor = self._inner(x)
        return out

    def _after_tail(self, x: Tensor, memory: ConvTail, rows: Tensor) -> Tensor:
        tail = memory.tail[rows]
        if self.replicates:
            tail = torch.where(memory.fresh[rows, None, None], x[..., :1], tail)
            memory.fresh[rows] = False
        x = torch.cat((tail, x), dim=-1)
        memory.tail[rows] = x[..., -self._tail_length :]
        return x

    def _convolve_few(self, x: Tensor) -> Tensor:
        windows = x.unfold(-1, self.kernel, self.stride).transpose(1, 2).flatten(2)
        out = F.linear(windows, self._inner.weight.flatten(1), self._inner.bias)  # [B, T', C']
        return out.transpose(1, 2)


class CausalConvTranspose1d(nn.Module):
    """A transposed convolution whose kernel is two strides long.

    Each input adds to the outputs of its own time and to those of the next, so that the second
    half of what the last input adds is kept for the next call. `channelwise` keeps every channel
    to itself.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        channelwise: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.channelwise = channelwise
        groups = in_channels if channelwise else 1
        inner = nn.ConvTranspose1d(
            in_channels, out_channels, 2 * stride, stride, groups=groups, bias=bias
        )
        self.convtr = nn.ModuleDict({"convtr": inner})  # checkpoints say convtr.convtr

    @property
    def _inner(self) -> nn.ConvTranspose1d:
        return cast(nn.ConvTranspose1d, self.convtr["convtr"])

    def new_tail(self, slots: int) -> ConvTail:
        """What this convolution remembers for `slots` new sessions."""
        return ConvTail(slots, self._inner.out_channels, self.stride, self._inner.weight)

    def forward(self, x: Tensor, state: ConvState, rows: Tensor) -> Tensor:
        """x [B, C, T] of the slots `rows` [B] -> [B, C', T * stride]."""
        memory, bias = state[self], self._inner.bias
        own, next_ones = self._spread(x).chunk(2, dim=-1)  # [B, C', T, stride] each
        carried = torch.cat((memory.tail[rows, :, None], next_ones[:, :, :-1]), dim=2)
        memory.tail[rows] = next_ones[:, :, -1]
        out = (own + carried).flatten(2)
        return out if bias is None else out + bias[:, None]

    def _spread(self, x: Tensor) -> Tensor:
        """What each input adds to the outputs of its own time and the next: [B, C', T, 2 stride].

        A plain product: on a CPU it took a tenth of the time of `conv_transpose1d` where T is 2.
        """
        weight = self._inner.weight  # [C, C' or 1, 2 stride]
        if self.channelwise:
            return x[..., None] * weight
        spread = x.transpose(1, 2) @ weight.flatten(1)
        return spread.view(*spread.shape[:2], *weight.shape[1:]).transpose(1, 2)
