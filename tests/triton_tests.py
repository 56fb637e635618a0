"""How tests of kernels in Triton run here: on the GPU, or on a CPU's tensors in its interpreter."""

import os
from importlib.util import find_spec

import torch

HERE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def left_out() -> list[str]:
    """What is not collected; to be called before any kernel is imported, which reads the variable.

    Triton comes with torch's build for CUDA, and with the tools of the tests where there is one.
    """
    if HERE.type == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"
    return [] if find_spec("triton") else ["*"]
