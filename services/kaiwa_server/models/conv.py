"""Causal convolutions that go on where the slot's last call ended.

Time comes before channels, [B, T, C]: what a window holds then lies in one piece, and a convolution
is one product of all the windows with weights that are laid out alike when they are loaded.
"""

from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kaiwa_server.models.kernel_convolutions import ConvolutionParts
from kaiwa_server.models.packing import Layout


class ConvTail:
    """What one convolution remembers for its slots.

    `tail` [S, n, C] holds the inputs that reach into the next call. `fresh` [S] is true until the
    slot's first call; only replicate padding asks for it.
    """

    def __init__(self, slots: int, channels: int, length: int, weight: Tensor) -> None:
        self.tail = torch.zeros(slots, length, channels, device=weight.device, dtype=weight.dtype)
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


class WindowConv1d(nn.Conv1d):
    """Holds the weights [C', C, kernel], in memory as [C', kernel, C] where served."""

    def _load_from_state_dict(
        self, weights: Any, prefix: str, metadata: dict[str, Any], *args: Any
    ) -> None:
        super()._load_from_state_dict(weights, prefix, metadata, *args)
        if metadata.get("assign_to_params_buffers"):  # to be served, not trained on
            self.weight.data = self.weight.data.transpose(1, 2).contiguous().transpose(1, 2)

    def matrix(self) -> Tensor:
        """What a window [kernel * C] is multiplied with: [C', kernel * C]."""
        return self.weight.transpose(1, 2).flatten(1)


class WindowConvTranspose1d(nn.ConvTranspose1d):
    """Holds the weights [C, C', 2 stride], in memory as [2 stride, C', C] where served."""

    def _load_from_state_dict(
        self, weights: Any, prefix: str, metadata: dict[str, Any], *args: Any
    ) -> None:
        super()._load_from_state_dict(weights, prefix, metadata, *args)
        if metadata.get("assign_to_params_buffers"):  # to be served, not trained on
            self.weight.data = self.weight.data.permute(2, 1, 0).contiguous().permute(2, 1, 0)

    def matrix(self) -> Tensor:
        """What an input [C] is multiplied with: [2 stride * C', C]."""
        return self.weight.permute(2, 1, 0).flatten(0, 1)


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
        inner = WindowConv1d(in_channels, out_channels, kernel, stride, bias=bias)
        self.conv = nn.ModuleDict({"conv": inner})  # checkpoints say conv.conv
        self._packed: nn.Module | None = None

    @property
    def _inner(self) -> WindowConv1d:
        return cast(WindowConv1d, self.conv["conv"])

    @property
    def _tail_length(self) -> int:
        return self.kernel - self.stride

    def new_tail(self, slots: int) -> ConvTail:
        """What this convolution remembers for `slots` new sessions."""
        return ConvTail(slots, self._inner.in_channels, self._tail_length, self._inner.weight)

    def forward(self, x: Tensor, state: ConvState, rows: Tensor) -> Tensor:
        """x [B, T, C] of the slots `rows` [B] -> [B, T / stride, C']; T is a multiple of stride."""
        assert x.shape[1] % self.stride == 0
        if self._tail_length:
            x = self._after_tail(x, state[self], rows)
        seen = windows(x, self.kernel, self.stride)
        if self._packed is not None:
            packed: Tensor = self._packed(seen)
            return packed
        # Without the copy, a product of rows that overlap becomes many small ones.
        return F.linear(seen.contiguous(), self._inner.matrix(), self._inner.bias)

    def parts(self) -> ConvolutionParts:
        """What kernels need of it."""
        inner = self._inner
        return ConvolutionParts(
            self._packed, inner.in_channels, self.kernel, self.stride, inner.out_channels
        )

    def pack(self, layout: Layout) -> None:
        """Goes over to a packed product, and lets go of its weights as they were."""
        self._packed = layout(self._inner.matrix(), self._inner.bias)
        self._inner.weight.data = self._inner.weight.data.new_empty(0)

    def _after_tail(self, x: Tensor, memory: ConvTail, rows: Tensor) -> Tensor:
        tail = memory.tail[rows]
        if self.replicates:
            tail = torch.where(memory.fresh[rows, None, None], x[:, :1], tail)
            memory.fresh[rows] = False
        x = torch.cat((tail, x), dim=1)
        memory.tail[rows] = x[:, -self._tail_length :]
        return x


class CausalConvTranspose1d(nn.Module):
    """A transposed convolution whose kernel is two strides long.

    Each input adds to the outputs of its own time and to those of the next: what is put out at a
    time is a product of the input of that time and the one before it, as of a window of two.
    `channelwise` keeps every channel to itself.
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
        inner = WindowConvTranspose1d(
            in_channels, out_channels, 2 * stride, stride, groups=groups, bias=bias
        )
        self.convtr = nn.ModuleDict({"convtr": inner})  # checkpoints say convtr.convtr
        self._packed: nn.Module | None = None

    @property
    def _inner(self) -> WindowConvTranspose1d:
        return cast(WindowConvTranspose1d, self.convtr["convtr"])

    def new_tail(self, slots: int) -> ConvTail:
        """What this convolution remembers for `slots` new sessions."""
        return ConvTail(slots, self._inner.in_channels, 1, self._inner.weight)

    def forward(self, x: Tensor, state: ConvState, rows: Tensor) -> Tensor:
        """x [B, T, C] of the slots `rows` [B] -> [B, T * stride, C']."""
        tail = state[self].tail
        batch, length, _ = x.shape
        x = torch.cat((tail[rows], x), dim=1)
        tail[rows] = x[:, -1:]
        return self._put_out(x).view(batch, length * self.stride, -1)

    def _put_out(self, x: Tensor) -> Tensor:
        """What is put out at the time of each input but the first: [B, T, stride * C']."""
        if self._packed is not None:
            packed: Tensor = self._packed(windows(x, 2, 1))
            return packed
        before, own = x[:, :-1], x[:, 1:]
        if self.channelwise:
            weight, bias = self._inner.weight[:, 0].T, self._inner.bias  # [2 stride, C]
            own_part, next_part = weight[: self.stride], weight[self.stride :]
            out = own[:, :, None] * own_part + before[:, :, None] * next_part
            return (out if bias is None else out + bias).flatten(2)
        own_part, next_part = self._inner.matrix().chunk(2)
        return F.linear(own, own_part, self._bias()) + F.linear(before, next_part)

    def parts(self) -> ConvolutionParts:
        """What kernels need of it: it has windows of two inputs."""
        return ConvolutionParts(
            self._packed, self._inner.in_channels, 2, 1, self._inner.out_channels
        )

    def _bias(self) -> Tensor | None:
        """That of all outputs of one time."""
        return None if self._inner.bias is None else self._inner.bias.repeat(self.stride)

    def pack(self, layout: Layout) -> None:
        """Goes over to a packed product, and lets go of its weights as they were."""
        if not self.channelwise:
            own_part, next_part = self._inner.matrix().chunk(2)
            self._packed = layout(torch.cat((next_part, own_part), dim=1), self._bias())
            self._inner.weight.data = self._inner.weight.data.new_empty(0)


def windows(x: Tensor, kernel: int, stride: int) -> Tensor:
    """A view of windows that overlap: [B, T, C] -> [B, (T - kernel) / stride + 1, kernel * C]."""
    batch, length, channels = x.shape
    x = x.contiguous()
    size = (batch, (length - kernel) // stride + 1, kernel * channels)
    return x.as_strided(size, (length * channels, stride * channels, 1))
