"""The kernels' way through layers and codebooks, beside torch's."""

import copy
from functools import partial

import pytest
import torch
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.packing import pack
from kaiwa_server.models.products import KernelProduct, Precision
from kaiwa_server.models.transformer import Transformer, TransformerConfig
from models.needs import needs_kernels
from models.tiny_lm import TINY, tiny_lm
from torch import Tensor

CONTEXT = 37
"""Not a multiple of anything."""

SLOTS = 5


def noise(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def transformer(head_dim: int) -> Transformer:
    torch.manual_seed(1)
    config = TransformerConfig(2 * head_dim, 2, 2, 40, CONTEXT, norm="rms_norm_f32", gating="silu")
    made = Transformer(config).requires_grad_(False)
    for name, weight in made.named_parameters():
        if name.endswith("alpha"):
            weight.uniform_(0.5, 1.5)
    return made


@needs_kernels
@pytest.mark.parametrize("head_dim", [6, 16, 40, 64, 80, 128])
def test_layers_equal_torch_s_past_the_end_of_the_context(head_dim: int) -> None:
    """Sessions of any age, some of them absent at times, in slots that are not neighbours."""
    exact = transformer(head_dim)
    ours = copy.deepcopy(exact)
    pack(ours, KernelProduct)
    states = exact.new_state(SLOTS), ours.new_state(SLOTS)
    for step in range(2 * CONTEXT):
        slots = [slot for slot in (4, 0, 3) if step % 3 != slot % 3]
        x, rows = noise(len(slots), 1, 2 * head_dim, seed=step), torch.tensor(slots)
        expected, found = (
            model(x, state, rows) for model, state in zip((exact, ours), states, strict=True)
        )
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert torch.equal(states[0].position, states[1].position)


@needs_kernels
def test_a_session_has_the_same_bits_alone_and_among_others() -> None:
    ours = transformer(16)
    pack(ours, KernelProduct)
    alone, together = ours.new_state(SLOTS), ours.new_state(SLOTS)
    for step in range(CONTEXT + 3):
        x = noise(SLOTS, 1, 32, seed=step)
        seen = ours(x, together, torch.arange(SLOTS))
        assert torch.equal(ours(x[2:3], alone, torch.tensor([2]))[0], seen[2])


@needs_kernels
def test_codebooks_give_the_logits_of_torch_s() -> None:
    exact = tiny_lm()
    ours = copy.deepcopy(exact)
    pack(ours, KernelProduct)
    hidden, generator = noise(3, 1, TINY.temporal.dim, seed=1), torch.Generator().manual_seed(2)
    caches = [lm.depformer.new_cache(hidden) for lm in (exact, ours)]
    for codebook in range(TINY.codebooks):
        token = torch.randint(0, TINY.codebook_size, (3,), generator=generator)
        expected, found = (
            lm.codebook_logits(codebook, hidden, token, cache)
            for lm, cache in zip((exact, ours), caches, strict=True)
        )
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def uses_kernels(lm: MoshiLm) -> bool:
    return lm._kernels is not None and lm.transformer._kernels is not None


@needs_kernels
@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_less_than_single_precision_goes_the_same_way_with_keys_and_values_in_bf16(
    precision: Precision,
) -> None:
    lm = tiny_lm()
    pack(lm, partial(KernelProduct, precision=precision))
    assert uses_kernels(lm)
    assert lm.new_state(1).transformer.rings.dtype == torch.bfloat16


@needs_kernels
@pytest.mark.parametrize("head_dim", [6, 64])
def test_keys_and_values_in_bf16_are_near_those_in_single_precision(head_dim: int) -> None:
    ours = transformer(head_dim)
    pack(ours, KernelProduct)
    exact, rounded = ours.new_state(1), ours.new_state(1)
    rounded.rings = rounded.rings.bfloat16()
    for step in range(2 * CONTEXT):
        x = noise(1, 1, 2 * head_dim, seed=step)
        found, expected = (ours(x, state, torch.tensor([0])) for state in (rounded, exact))
        assert (found - expected).norm() < 0.01 * expected.norm()
    exact_rings, found_rings = exact.rings, rounded.rings.float()
    assert (found_rings - exact_rings).norm() < 0.01 * exact_rings.norm()
