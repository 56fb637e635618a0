"""Products with weights laid out for a CPU, beside those of torch."""

import pytest
import torch
from kaiwa_server.models.products import KernelProduct, Precision
from models.needs import needs_kernels
from torch import Tensor, nn

SHAPES = [(1, 1), (7, 31), (64, 32), (64, 33), (130, 96), (3, 200)]
"""Inputs and outputs: whole panels of 32 outputs, and not."""

ROWS = (1, 2, 3, 11, 12, 13, 25, 300)


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@needs_kernels
@pytest.mark.parametrize(("inputs", "outputs"), SHAPES)
@pytest.mark.parametrize("bias", [True, False])
def test_a_product_equals_torch_s_for_any_number_of_rows(
    inputs: int, outputs: int, bias: bool
) -> None:
    linear = nn.Linear(inputs, outputs, bias=bias).requires_grad_(False)
    product = KernelProduct(linear.weight, linear.bias)
    for rows in ROWS:
        x = noise(rows, inputs)
        torch.testing.assert_close(product(x), linear(x), atol=1e-5, rtol=1e-5)


@needs_kernels
def test_what_is_far_too_much_for_the_cache_at_once_is_done_piece_by_piece() -> None:
    linear = nn.Linear(4000, 40).requires_grad_(False)
    x = noise(200, 4000)
    product = KernelProduct(linear.weight, linear.bias)
    torch.testing.assert_close(product(x), linear(x), atol=1e-4, rtol=1e-4)


@needs_kernels
@pytest.mark.parametrize("count", [2, 40])
def test_windows_that_overlap_are_read_where_they_are(count: int) -> None:
    linear = nn.Linear(12, 5).requires_grad_(False)
    x = noise(3, 4 * count + 8)
    windows = x.as_strided((3, count, 12), (x.stride(0), 4, 1))
    product = KernelProduct(linear.weight, linear.bias)
    torch.testing.assert_close(product(windows), linear(windows.contiguous()))


@needs_kernels
def test_inputs_that_do_not_lie_in_a_row_are_taken_as_well() -> None:
    linear = nn.Linear(6, 5).requires_grad_(False)
    x = noise(2, 6, 9).transpose(1, 2)
    torch.testing.assert_close(KernelProduct(linear.weight, linear.bias)(x), linear(x))


@needs_kernels
@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_a_row_has_the_same_bits_whoever_is_beside_it(precision: Precision) -> None:
    product = KernelProduct(noise(70, 90), noise(70), precision)
    x = noise(27, 90, seed=2)
    together = product(x)
    for rows in (1, 5, 12, 26):
        assert torch.equal(product(x[:rows]), together[:rows])


@needs_kernels
def test_it_is_the_same_with_more_threads() -> None:
    product = KernelProduct(noise(512, 512), None)
    x = noise(24, 512, seed=2)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = product(x)
        torch.set_num_threads(2)
        assert torch.equal(product(x), alone)
    finally:
        torch.set_num_threads(threads)


@needs_kernels
def test_eight_bits_cost_half_a_step_of_each_output_s_largest_weight() -> None:
    weight = noise(40, 64) * torch.logspace(-3, 3, 40)[:, None]
    product = KernelProduct(weight, None, "int8")
    rounded = product(torch.eye(64)).T
    step = weight.abs().amax(dim=1, keepdim=True) / 127
    assert ((rounded - weight).abs() <= 0.501 * step).all()


@needs_kernels
def test_an_output_without_weights_is_its_bias_in_eight_bits_too() -> None:
    product = KernelProduct(torch.zeros(2, 8), torch.tensor([1.0, -2.0]), "int8")
    assert product(noise(1, 8)).tolist() == [[1.0, -2.0]]


@needs_kernels
@pytest.mark.parametrize(("inputs", "outputs"), SHAPES)
def test_bf16_costs_what_eight_bits_of_each_factor_cost(inputs: int, outputs: int) -> None:
    linear = nn.Linear(inputs, outputs).requires_grad_(False)
    product = KernelProduct(linear.weight, linear.bias, "bf16")
    for rows in ROWS:
        x = noise(rows, inputs)
        assert (product(x) - linear(x)).norm() < 0.01 * linear(x).norm()


@needs_kernels
def test_a_row_that_is_not_a_number_spoils_no_other() -> None:
    """Whole blocks of rows are multiplied at once, and blocks are filled up."""
    for precision in ("fp32", "bf16", "int8"):
        product = KernelProduct(noise(40, 7), None, precision)
        x = noise(3, 5, 7, seed=2)
        x[1, 4] = torch.nan
        spoilt = product(x).isnan().any(dim=2)
        assert spoilt.nonzero().tolist() == [[1, 4]]
