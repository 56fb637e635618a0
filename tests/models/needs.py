"""What a test of products on a CPU needs."""

import pytest
import torch
from kaiwa_server.kernels import library

needs_bf16 = pytest.mark.skipif(
    not torch.cpu._is_avx512_bf16_supported(), reason="this processor has no bf16"
)
needs_kernels = pytest.mark.skipif(
    not library.available(), reason="Kaiwa's kernels were not built: install g++ and Kaiwa again"
)
