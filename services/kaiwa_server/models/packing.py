"""Products in bf16 on a CPU's matrix units, their weights laid out for them once.

All else stays in fp32: norms, softmax, keys and values, codebooks, the sums between layers.
"""

from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from kaiwa_server.errors import NotSupported

TYPICAL_ROWS = 16
"""For how many rows the weights are laid out; other numbers take them too, a little slower."""


class PackedProduct(nn.Module):
    """x @ weight.T + bias, of a weight [N, K] that only oneDNN can read from here on."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self._bias = None if bias is None else bias.bfloat16()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(
            weight.bfloat16().contiguous(), TYPICAL_ROWS
        )

    def forward(self, x: Tensor) -> Tensor:
        """x [..., K] of any strides -> [..., N], both fp32."""
        out = torch.ops.mkldnn._linear_pointwise(
            x.to(torch.bfloat16, memory_format=torch.contiguous_format),
            self._weight,
            self._bias,
            "none",
            [],
            "",
        )
        return cast(Tensor, out).float()


@runtime_checkable
class Packable(Protocol):
    """A module with a product of its own."""

    def pack(self) -> None:
        """Goes over to a packed product, and lets go of its weights as they were."""


def pack(module: nn.Module) -> None:
    """Packs every product within that is worth it."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, PackedProduct(child.weight, child.bias))
        elif isinstance(child, Packable):
            child.pack()
        else:
            pack(child)


def pack_for_cpu(module: nn.Module) -> None:
    """Packs what a processor multiplies that has instructions for bf16.

    Raises:
        NotSupported: it has none: it would be slower than with fp32.
    """
    if not torch.cpu._is_avx512_bf16_supported():
        text = "this processor has no bf16 (avx512_bf16 in /proc/cpuinfo): give --precision fp32"
        raise NotSupported(text)
    pack(module)
