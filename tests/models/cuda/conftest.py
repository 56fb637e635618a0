"""Where there is no GPU, Triton's interpreter runs the kernels, on a CPU's tensors."""

import os
from importlib.util import find_spec

import torch

collect_ignore_glob = [] if find_spec("triton") else ["*"]

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when a kernel is defined
