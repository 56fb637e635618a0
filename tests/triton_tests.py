"""How tests of kernels in Triton run here: on the GPU, or on a CPU's tensors in its interpreter."""

import os
from importlib.util import find_spec

import torch

HERE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def interpret_on_cpu() -> None:
    """Has Triton interpret kernels where there is no GPU.

    To be called before anything imports Triton, which reads the variable then: torch imports it
    too, in corners of its own.
    """
    if HERE.type == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"


def left_out() -> list[str]:
    """What is not collected: all of a folder's tests of kernels where there is no Triton.

    It comes with torch's build for CUDA, and with the tools of the tests where there is one.
    """
    return [] if find_spec("triton") else ["*"]
