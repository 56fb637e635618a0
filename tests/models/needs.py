"""What a test of products on a CPU needs."""

import pytest
from kaiwa_server.kernels import library

needs_kernels = pytest.mark.skipif(
    not library.available(), reason="needs AVX2, and g++ when Kaiwa was installed"
)
