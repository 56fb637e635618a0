"""The quantizer finds nearest entries, level by level, and decodes what it encodes."""

import pytest
import torch
from kaiwa_server.models.quantizer import Codebook, QuantizerConfig, SplitQuantizer
from models.needs import needs_kernels
from torch import Tensor

CONFIG = QuantizerConfig(latent_dimension=12, dimension=6, n_q=5, bins=32)


def codebook(entries: Tensor, usage: Tensor) -> Codebook:
    made = Codebook(*entries.shape)
    made.load_state_dict(
        {
            "_initialized": torch.ones(1),
            "cluster_usage": usage,
            "embedding_sum": entries * usage.clamp(min=1e-5)[:, None],
        }
    )
    return made


@pytest.fixture(params=["torch", pytest.param("kernels", marks=needs_kernels)])
def quantizer(request: pytest.FixtureRequest) -> SplitQuantizer:
    torch.manual_seed(0)
    quantizer = SplitQuantizer(CONFIG).requires_grad_(False)
    weights = quantizer.state_dict()
    for name, weight in weights.items():
        if name.endswith("embedding_sum"):
            weight.normal_()
        elif name.endswith("cluster_usage"):
            weight.uniform_(0.5, 4.0)
    quantizer.load_state_dict(weights)
    if request.param == "kernels":
        quantizer.use_kernels(CONFIG.n_q)
    return quantizer


def test_the_nearest_entry_is_that_of_the_least_distance() -> None:
    torch.manual_seed(1)
    made = codebook(3.0 * torch.randn(64, 8), torch.rand(64) + 0.1)
    x = torch.randn(5, 7, 8)
    distances = (x[:, :, None] - made.entries).square().sum(dim=-1)
    assert torch.equal(made.nearest(x), distances.argmin(dim=-1))


def test_an_entry_is_its_sum_over_its_usage() -> None:
    made = codebook(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([5.0, 0.25]))
    torch.testing.assert_close(
        made.lookup(torch.tensor([[1, 0]])), torch.tensor([[[3.0, 4.0], [1.0, 2.0]]])
    )


def test_an_entry_that_was_never_used_is_finite() -> None:
    made = codebook(torch.ones(2, 2), torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(made.lookup(torch.tensor([[0]])), torch.ones(1, 1, 2))


def test_each_acoustic_level_encodes_what_the_levels_before_it_left(
    quantizer: SplitQuantizer,
) -> None:
    latent = torch.randn(2, 12, 3)
    codes = quantizer.encode(latent, codebooks=4)
    assert codes.shape == (2, 4, 3)
    acoustic = quantizer.rvq_rest
    rest = acoustic.input_proj(latent).transpose(1, 2)
    for level, tokens in enumerate(codes[:, 1:].unbind(dim=1)):
        entries = acoustic.codebooks[level].entries
        assert torch.equal(tokens, torch.cdist(rest, entries[None]).argmin(dim=-1))
        rest = rest - entries[tokens]


def test_both_halves_read_the_same_latent(quantizer: SplitQuantizer) -> None:
    latent = torch.randn(1, 12, 3)
    semantic = quantizer.rvq_first.encode(latent, 1)
    assert torch.equal(quantizer.encode(latent, codebooks=4)[:, :1], semantic)


def test_fewer_codebooks_give_the_first_of_the_same_tokens(quantizer: SplitQuantizer) -> None:
    latent = torch.randn(1, 12, 3)
    assert torch.equal(
        quantizer.encode(latent, codebooks=2), quantizer.encode(latent, codebooks=5)[:, :2]
    )


def test_decoding_adds_the_projected_entries_of_both_halves(quantizer: SplitQuantizer) -> None:
    codes = torch.tensor([[[3], [1], [4]]])
    first, rest = quantizer.rvq_first, quantizer.rvq_rest
    semantic = first.codebooks[0].entries[3]
    acoustic = rest.codebooks[0].entries[1] + rest.codebooks[1].entries[4]
    expected = (
        first.output_proj.weight[..., 0] @ semantic + rest.output_proj.weight[..., 0] @ acoustic
    )
    torch.testing.assert_close(quantizer.decode(codes)[0, :, 0], expected)


def test_weights_put_in_later_are_the_ones_that_count() -> None:
    with torch.device("meta"):
        made = Codebook(2, 2)
    weights = {
        "_initialized": torch.ones(1),
        "cluster_usage": torch.ones(2),
        "embedding_sum": torch.eye(2),
    }
    made.load_state_dict(weights, assign=True)
    assert made.nearest(torch.tensor([[[0.1, 0.9]]])).tolist() == [[1]]
