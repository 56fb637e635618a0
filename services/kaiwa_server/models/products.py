"""Products with weights that were laid out for the kernels."""

import copy
import ctypes
from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kaiwa_server.kernels import library
from kaiwa_server.kernels.library import bf16_layout, kernels, panel

Precision = Literal["fp32", "bf16", "int8"]
"""What weights are kept in. They are multiplied in fp32, or those in bf16 in bf16 where the
processor can (avx512_bf16); sums are fp32."""


KINDS: dict[Precision, int] = {
    "fp32": library.FP32,
    "bf16": library.BF16,
    "int8": library.INT8,
}


class KernelProduct(nn.Module):
    """x @ weight.T + bias, x and the result in fp32; of 8 bits an output's largest is 127."""

    def __init__(self, weight: Tensor, bias: Tensor | None, precision: Precision = "fp32") -> None:
        super().__init__()
        weight = weight.float()
        outputs, inputs = weight.shape
        if outputs == 1:
            precision = "fp32"  # there is little to read
        scales = None
        if precision == "int8":
            scales = weight.abs().amax(dim=1).clamp(min=1e-30) / 127
            weight = (weight / scales[:, None]).round().to(torch.int8)
        elif precision == "bf16":
            weight = weight.bfloat16()
        layout = bf16_layout() if precision == "bf16" else "panels"
        self._weights = LAYOUTS[layout](weight)
        self.scales, self._bias = _padded(scales), _padded(bias)
        self.struct = library.Product(
            _address(self._weights),
            _address(self.scales),
            _address(self._bias),
            inputs,
            outputs,
            KINDS[precision],
        )

    def scaled(self, scale: Tensor) -> "KernelProduct":
        """The same without a bias, each output multiplied with its `scale` [N]."""
        assert self._bias is None
        other = copy.copy(self)
        other.scales = F.pad(scale.float(), (0, -len(scale) % panel()))
        if self.scales is not None:
            other.scales *= self.scales
        other.struct = library.Product.from_buffer_copy(self.struct)
        other.struct.scales = other.scales.data_ptr()
        return other

    def forward(self, x: Tensor) -> Tensor:
        """x [..., K] -> [..., N].

        Of an x of three axes windows that overlap are read where they are.
        """
        assert x.dtype == torch.float32
        if x.ndim == 3 and x.stride(2) == 1:
            (batches, count, _), strides = x.shape, x.stride()[:2]
        else:
            x = x.contiguous()
            batches, count, strides = 1, x.numel() // x.shape[-1], (0, x.shape[-1])
        out = x.new_empty((*x.shape[:-1], self.struct.outputs))
        rows = library.Rows(x.data_ptr(), *strides, batches, count)
        kernels().kaiwa_multiply(
            ctypes.byref(self.struct),
            ctypes.byref(rows),
            out.data_ptr(),
            torch.get_num_threads(),
        )
        return out


def _panels(weight: Tensor) -> Tensor:
    """[N, K] -> [ceil(N / panel), K, panel]."""
    padded = F.pad(weight, (0, 0, 0, -len(weight) % panel()))
    return padded.view(-1, panel(), weight.shape[1]).transpose(1, 2).contiguous()


def _tiles(weight: Tensor) -> Tensor:
    """[N, K] -> [ceil(N / 32), ceil(K / 32), 2, 16, 16, 2]; what they are says tiles.h."""
    outputs, inputs = weight.shape
    padded = F.pad(weight, (0, -inputs % 32, 0, -outputs % 32))
    parts = padded.view(-1, 2, 16, (inputs + 31) // 32, 16, 2)  # panel, half, output, block, pair
    return parts.permute(0, 3, 1, 4, 2, 5).contiguous()


def _pairs(weight: Tensor) -> Tensor:
    """[N, K] -> [ceil(N / panel), ceil(K / 2), panel, 2]."""
    outputs, inputs = weight.shape
    padded = F.pad(weight, (0, -inputs % 2, 0, -outputs % panel()))
    return padded.view(-1, panel(), (inputs + 1) // 2, 2).transpose(1, 2).contiguous()


LAYOUTS: dict[library.Bf16Layout, Callable[[Tensor], Tensor]] = {
    "panels": _panels,
    "pairs": _pairs,
    "tiles": _tiles,
}


def _padded(vector: Tensor | None) -> Tensor | None:
    return None if vector is None else F.pad(vector.float(), (0, -len(vector) % panel()))


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()
