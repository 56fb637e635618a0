"""Weights laid out once for a CPU's products, while a model is loaded.

From then on the model is one to serve: its weights as they were are gone.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from kaiwa_server.errors import NotSupported
from kaiwa_server.kernels.library import available
from kaiwa_server.models.products import KernelProduct, Precision

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
    """Packs the products of a model in fp32, where the kernels were built.

    Raises:
        NotSupported: they were not, and the precision needs them.
    """
    if available():
        pack(module, partial(KernelProduct, precision=precision))
    elif precision != "fp32":
        text = f"{precision} needs Kaiwa's kernels: a processor with AVX2, and a C++ compiler (g++)"
        raise NotSupported(f"{text} when Kaiwa is installed; or give --precision fp32")
