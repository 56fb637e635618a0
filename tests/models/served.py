"""Models as the services load them on a CPU."""

from typing import TypeVar

from kaiwa_server.models.packing import pack_for_cpu
from torch import nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def as_served(module: ModuleT) -> ModuleT:
    """The module itself, its products packed in fp32 where the kernels were built."""
    pack_for_cpu(module, "fp32")
    return module
