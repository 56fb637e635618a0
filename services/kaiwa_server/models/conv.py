"""Causal convolutions that go on where the slot's last call ended."""

from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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
        dilation: int = 1,
        bias: bool = True,
        padding: Literal["zeros", "replicate"] = "zeros",
    ) -> None:
        super().__init__()
        self.stride = stride
        self.replicates = padding == "replicate"
        self.tail_length = (kernel - 1) * dilation + 1 - stride
        inner = nn.Conv1d(in_channels, out_channels, kernel, stride, dilation=dilation, bias=bias)
        self.conv = nn.ModuleDict({"conv": inner})  # checkpoints say conv.conv

    @property
    def _inner(self) -> nn.Conv1d:
        return cast(nn.Conv1d, self.conv["conv"])

    def new_tail(self, slots: int) -> ConvTail:
        """What this convolution remembers for `slots` new sessions."""
        return ConvTail(slots, self._inner.in_channels, self.tail_length, self._inner.weight)

    def forward(self, x: Tensor, state: ConvState, rows: Tensor) -> Tensor:
        """x [B, C, T] of the slots `rows` [B] -> [B, C', T / stride]; T is a multiple of stride."""
        assert x.shape[-1] % self.stride == 0
        if self.tail_length:
            x = self._after_tail(x, state[self], rows)
        out: Tensor = self._inner(x)
        return out

    def _after_tail(self, x: Tensor, memory: ConvTail, rows: Tensor) -> Tensor:
        tail = memory.tail[rows]
        if self.replicates:
            tail = torch.where(memory.fresh[rows, None, None], x[..., :1], tail)
            memory.fresh[rows] = False
        x = torch.cat((tail, x), dim=-1)
        memory.tail[rows] = x[..., -self.tail_length :]
        return x


class CausalConvTranspose1d(nn.Module):
    """A transposed convolution that keeps back the sums which later inputs still add to."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.tail_length = kernel - stride
        inner = nn.ConvTranspose1d(
            in_channels, out_channels, kernel, stride, groups=groups, bias=bias
        )
        self.convtr = nn.ModuleDict({"convtr": inner})  # checkpoints say convtr.convtr

    @property
    def _inner(self) -> nn.ConvTranspose1d:
        return cast(nn.ConvTranspose1d, self.convtr["convtr"])

    def new_tail(self, slots: int) -> ConvTail:
        """What this convolution remembers for `slots` new sessions."""
        return ConvTail(slots, self._inner.out_channels, self.tail_length, self._inner.weight)

    def forward(self, x: Tensor, state: ConvState, rows: Tensor) -> Tensor:
        """x [B, C, T] of the slots `rows` [B] -> [B, C', T * stride]."""
        inner, memory = self._inner, state[self]
        sums = F.conv_transpose1d(x, inner.weight, None, inner.stride, groups=inner.groups)
        sums[..., : self.tail_length] += memory.tail[rows]
        memory.tail[rows] = sums[..., -self.tail_length :]
        done = sums[..., : -self.tail_length]
        return done if inner.bias is None else done + inner.bias[:, None]
