"""What a model goes over to depends on where it is."""

import pytest
import torch
from kaiwa_server.errors import NotSupported
from kaiwa_server.models.speedup import use_kernels
from models.tiny_lm import tiny_lm

CPU = torch.device("cpu")


def test_keys_and_values_in_8_bits_are_refused_on_a_cpu() -> None:
    with pytest.raises(NotSupported, match="are for a GPU: leave --kv out"):
        use_kernels(tiny_lm(), CPU, "fp32", kv="int8")


def test_a_cpu_keeps_keys_and_values_as_exact_as_its_weights() -> None:
    lm = tiny_lm()
    use_kernels(lm, CPU, "fp32")
    assert lm.new_state(1).transformer.rings.dtype == torch.float32
