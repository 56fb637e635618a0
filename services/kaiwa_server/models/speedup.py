"""Lets a loaded model go over to the kernels for where it is."""

from typing import Literal

import torch
from torch import nn

from kaiwa_server.errors import NotSupported
from kaiwa_server.models.packing import pack_for_cpu
from kaiwa_server.models.products import Precision

Kv = Literal["bf16", "int8"]
"""What a GPU keeps keys and values in; beside weights in fp32 bf16 stands for fp32."""


def use_kernels(
    model: nn.Module, device: torch.device, precision: Precision, kv: Kv = "bf16"
) -> None:
    """Prepares a model on this device to be served.

    Args:
        model: Mimi or the language model.
        device: where it is.
        precision: what a CPU keeps weights in.
        kv: what a GPU keeps keys and values in; a CPU goes by the precision.

    Raises:
        NotSupported: the device does not have what is asked for.
    """
    if device.type == "cuda":
        # triton comes with torch's build for CUDA
        from kaiwa_server.models.cuda.speedup import use_cuda_kernels

        use_cuda_kernels(model, eight_bits=kv == "int8")
    elif kv == "int8":
        raise NotSupported("keys and values in int8 are for a GPU: leave --kv out on a CPU")
    else:
        pack_for_cpu(model, precision)
