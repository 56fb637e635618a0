"""Weights laid out once for a CPU's products, while a model is loaded.

From then on the model is one to serve: its weights as they were are gone.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from kaiwa_server.errors import NotSupported
from kaiwa_server.kernels.library import available
from kaiwa_server.models.products import Bf16Product, KernelProduct

Precision = Literal["fp32", "bf16", "int8"]
"""What weights are kept and multiplied in; `int8` multiplies in fp32 what it keeps in 8 bits."""

Layout = Callable[[Tensor, Tensor | None], nn.Module]
"""Makes a product of a weight [N, K] and a bias [N]."""


@runtime_checkable
class Packable(Protocol):
    """A module with products of its own, or with a faster way through packed ones."""

    def pack(self, layout: Layout) -> None:
        """Goes over to packed products, and lets go of its weights as they were."""


def pack(module: nn.Module, layout: Layout) -> None:
    """Packs every product of the module."""
    if isinstance(module, Packable):
        module.pack(layout)
    else:
        pack_children(module, layout)


def pack_children(module: nn.Module, layout: Layout) -> None:
    """Packs every product within the module, but for what only it knows of itself."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, layout(child.weight, child.bias))
        else:
            pack(child, layout)


def pack_for_cpu(module: nn.Module, precision: Precision) -> None:
    """Packs the products of a model in fp32 for a CPU, as far as there is something to gain.

    Raises:
        NotSupported: the processor or the installation cannot do it in this precision.
    """
    if precision == "bf16":
        if not torch.cpu._is_avx512_bf16_supported():
            text = "this processor has no bf16 (avx512_bf16 in /proc/cpuinfo)"
            raise NotSupported(f"{text}: give --precision fp32")
        pack(module, Bf16Product)
    elif available():
        pack(module, partial(KernelProduct, precision=precision))
    elif precision == "int8":
        text = "int8 needs Kaiwa's kernels, which were not built: install a C++ compiler (g++) and"
        raise NotSupported(f"{text} Kaiwa again, or give --precision fp32")
