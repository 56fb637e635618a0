"""Where a model runs."""

from typing import Literal

import torch

from kaiwa_server.errors import NotSupported


def choose_device(device: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Gives the device of that name; `auto` is the GPU if there is one.

    Raises:
        NotSupported: a GPU is asked for and there is none.
    """
    gpu = torch.cuda.is_available()
    if device == "cuda" and not gpu:
        raise NotSupported("torch sees no CUDA GPU: look at nvidia-smi, or give --device cpu")
    return torch.device("cuda" if gpu and device != "cpu" else "cpu")
