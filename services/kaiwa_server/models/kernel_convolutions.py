"""Causal convolutions one after the other as one call of the kernels."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kaiwa_server.kernels import library
from kaiwa_server.kernels.library import kernels
from kaiwa_server.models.products import KernelProduct


@dataclass(frozen=True)
class ConvolutionParts:
    """What the kernels need of a convolution: a product of windows [kernel * C]."""

    product: nn.Module | None
    channels: int
    kernel: int
    stride: int
    outputs: int
    """How many each time has: a product may put out several times that follow each other."""


class KernelConvolutions:
    """Convolutions in a row, ELU between them, whose products are all packed for the kernels."""

    def __init__(
        self, steps: ctypes.Array[library.Convolution], products: list[nn.Module], outputs: int
    ) -> None:
        self._steps = steps
        self._alive = products
        self._outputs = outputs

    @classmethod
    def of(
        cls, convolutions: Sequence[ConvolutionParts], keeping: Sequence[int]
    ) -> "KernelConvolutions | None":
        """None unless every product is a `KernelProduct`.

        What those at the places `keeping` put out, before ELU, is added to what the second one
        after each puts out.
        """
        steps = (library.Convolution * len(convolutions))()
        products: list[nn.Module] = []
        for place, (step, parts) in enumerate(zip(steps, convolutions, strict=True)):
            if not isinstance(parts.product, KernelProduct):
                return None
            products.append(parts.product)
            step.product = parts.product.struct
            step.channels, step.kernel, step.stride = parts.channels, parts.kernel, parts.stride
            step.keeps = place in keeping
        return cls(steps, products, convolutions[-1].outputs)

    def __call__(self, x: Tensor, tails: Sequence[Tensor], rows: Tensor) -> Tensor:
        """x [B, T, C] of the slots `rows` [B] -> [B, T', C']; each convolution has its tail."""
        x, rows = x.contiguous(), rows.contiguous()
        batch, length, channels = x.shape
        assert (x.dtype, rows.dtype) == (torch.float32, torch.int64)
        assert (rows.shape, channels) == ((batch,), self._steps[0].channels)
        assert all(tail.dtype == torch.float32 for tail in tails)
        addresses = (ctypes.c_void_p * len(tails))(*[tail.data_ptr() for tail in tails])
        sessions = library.Sessions(rows.data_ptr(), addresses, batch)
        out = x.new_empty(batch, self._put_out(length) // self._outputs, self._outputs)
        kernels().kaiwa_convolve(
            self._steps,
            len(self._steps),
            ctypes.byref(sessions),
            x.data_ptr(),
            length,
            out.data_ptr(),
            torch.get_num_threads(),
        )
        return out

    def _put_out(self, length: int) -> int:
        """How many numbers the last one puts out for inputs of so many times."""
        numbers: int = length * self._steps[0].channels
        for step in self._steps:
            windows, rest = divmod(numbers, step.channels * step.stride)
            assert rest == 0
            numbers = windows * step.product.outputs
        return numbers
