"""The depformer, codebook after codebook, on a tiny one with random weights."""

import pytest
import torch
import torch.nn.functional as F
from kaiwa_server.models.depformer import Depformer, DepformerConfig
from torch import Tensor

CODEBOOKS = 4
CONFIG = DepformerConfig(dim=12, heads=3, layers=2, hidden=20)


@pytest.fixture
def depformer() -> Depformer:
    torch.manual_seed(1)
    return Depformer(CONFIG, CODEBOOKS).requires_grad_(False)


def noise(rows: int, seed: int) -> Tensor:
    return torch.randn(rows, CODEBOOKS, CONFIG.dim, generator=torch.Generator().manual_seed(seed))


def in_turn(depformer: Depformer, x: Tensor) -> Tensor:
    """All the sub-steps of one step, [B, K, D]."""
    cache = depformer.new_cache(x)
    parts = [depformer(x[:, k, None], k, cache) for k in range(CODEBOOKS)]
    return torch.cat(parts, dim=1)


def at_once(depformer: Depformer, x: Tensor) -> Tensor:
    """The same as one causal pass over all the codebooks, each with its own weights."""

    def each(modules: torch.nn.ModuleList, x: Tensor) -> Tensor:
        return torch.stack([modules[k](x[:, None, k])[:, 0] for k in range(CODEBOOKS)], dim=1)

    for layer in depformer.layers:
        attention = layer.self_attn
        joined = each(attention.in_projs, layer.norm1(x)).unflatten(-1, (3, CONFIG.heads, -1))
        query, key, value = joined.permute(2, 0, 3, 1, 4)  # [B, H, K, Dh] each
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + each(attention.out_projs, seen.transpose(1, 2).flatten(2))
        x = x + each(layer.gating, layer.norm2(x))
    return x


def test_the_sub_steps_equal_one_causal_pass(depformer: Depformer) -> None:
    x = noise(rows=3, seed=2)
    torch.testing.assert_close(in_turn(depformer, x), at_once(depformer, x))


def test_a_codebook_does_not_see_those_after_it(depformer: Depformer) -> None:
    x = noise(rows=1, seed=3)
    changed = x.clone()
    changed[:, 2:] += 1.0
    before, after = in_turn(depformer, x), in_turn(depformer, changed)
    assert torch.equal(after[:, :2], before[:, :2])
    assert not torch.allclose(after[:, 2:], before[:, 2:])


def test_a_row_does_not_depend_on_its_neighbours(depformer: Depformer) -> None:
    x = noise(rows=4, seed=4)
    together = in_turn(depformer, x)
    for row in range(4):
        torch.testing.assert_close(in_turn(depformer, x[row, None])[0], together[row])


def test_what_a_cache_held_before_is_never_read(depformer: Depformer) -> None:
    x = noise(rows=2, seed=5)
    cache = depformer.new_cache(x)
    cache.rings.fill_(torch.nan)
    parts = [depformer(x[:, k, None], k, cache) for k in range(CODEBOOKS)]
    assert torch.equal(torch.cat(parts, dim=1), in_turn(depformer, x))


def test_its_parameters_have_the_names_of_kyutais_newer_checkpoints(depformer: Depformer) -> None:
    names = {name for name in depformer.state_dict() if name.startswith("layers.1.")}
    each = ("self_attn.in_projs", "self_attn.out_projs")
    expected = {f"layers.1.{part}.{k}.weight" for part in each for k in range(CODEBOOKS)}
    for part in ("linear_in", "linear_out"):
        expected |= {f"layers.1.gating.{k}.{part}.weight" for k in range(CODEBOOKS)}
    assert names == expected | {"layers.1.norm1.alpha", "layers.1.norm2.alpha"}
