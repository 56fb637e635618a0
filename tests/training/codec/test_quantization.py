"""Codebooks follow what they see, and gradients pass them as if they were not there."""

from itertools import pairwise

import pytest
import torch
from kaiwa_server.models.quantizer import Codebook, QuantizerConfig, ResidualQuantizer
from kaiwa_training.codec.quantization import DECAY, Learning, fit, refresh, register
from torch import Tensor

CONFIG = QuantizerConfig(latent_dimension=6, dimension=4, n_q=3, bins=8)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_quantizer(codebooks: int = 3) -> ResidualQuantizer:
    torch.manual_seed(1)
    quantizer = ResidualQuantizer(CONFIG, codebooks)
    for codebook in quantizer.codebooks:
        codebook.cluster_usage.uniform_(0.5, 2.0)
        codebook.embedding_sum.normal_()
        refresh(codebook)
    return quantizer


def quantize(
    quantizer: ResidualQuantizer, latent: Tensor, *, learn: bool = False
) -> tuple[list[Tensor], Tensor, Tensor]:
    return Learning(quantizer, generator()).quantize(latent, learn=learn)


def codebook_at(*entries: list[float], usage: float = 1.0) -> Codebook:
    """A codebook of these entries."""
    codebook = Codebook(len(entries), len(entries[0]))
    codebook.cluster_usage.fill_(usage)
    codebook.embedding_sum.copy_(torch.tensor(entries) * usage)
    refresh(codebook)
    return codebook


def plain_quantizer(*codebooks: Codebook) -> ResidualQuantizer:
    """A quantizer whose latent is what the codebooks see."""
    bins, dimension = codebooks[0].entries.shape
    config = QuantizerConfig(dimension, dimension, n_q=2, bins=bins)
    quantizer = ResidualQuantizer(config, 0)
    quantizer.codebooks = list(codebooks)
    for projection in (quantizer.input_proj, quantizer.output_proj):
        torch.nn.init.eye_(projection.weight[:, :, 0])
    return quantizer


def test_training_quantizes_as_the_served_codec_does() -> None:
    quantizer, latent = random_quantizer(), torch.randn(2, 6, 5)
    chosen, back, _ = quantize(quantizer, latent)
    codes = quantizer.encode(latent, 3)
    torch.testing.assert_close(back, quantizer.decode(codes))
    for codebook, tokens, entries in zip(quantizer.codebooks, codes.unbind(1), chosen, strict=True):
        torch.testing.assert_close(entries, codebook.lookup(tokens))


def test_the_way_back_has_the_gradients_of_what_came_in() -> None:
    quantizer, latent = random_quantizer(), torch.randn(2, 6, 5, requires_grad=True)
    weights = torch.randn(2, 6, 5)
    _, back, _ = quantize(quantizer, latent)
    (found,) = torch.autograd.grad((back * weights).sum(), latent)
    straight = quantizer.output_proj(quantizer.input_proj(latent))
    (expected,) = torch.autograd.grad((straight * weights).sum(), latent)
    torch.testing.assert_close(found, expected)


def test_the_first_entries_have_the_gradients_of_what_came_in_and_the_others_none() -> None:
    quantizer, latent = random_quantizer(), torch.randn(2, 6, 5, requires_grad=True)
    chosen, _, _ = quantize(quantizer, latent)
    weights = torch.randn_like(chosen[0])
    (found,) = torch.autograd.grad((chosen[0] * weights).sum(), latent)
    straight = quantizer.input_proj(latent).transpose(1, 2)
    (expected,) = torch.autograd.grad((straight * weights).sum(), latent)
    torch.testing.assert_close(found, expected)
    assert not any(entries.requires_grad for entries in chosen[1:])


def test_the_distance_is_to_the_first_entry_and_to_all_and_pulls_towards_both() -> None:
    quantizer = plain_quantizer(
        codebook_at([1.0, 0.0], [-1.0, 0.0]), codebook_at([0.0, 0.5], [0.0, -0.5])
    )
    latent = torch.tensor([1.0, 1.0]).view(1, 2, 1).requires_grad_()
    _, _, distance = quantize(quantizer, latent)
    assert distance.item() == pytest.approx((0.5**2 + 1.0**2) / 2)
    (pull,) = torch.autograd.grad(distance, latent)
    torch.testing.assert_close(pull.flatten(), torch.tensor([0.0, 1.5]))


def test_an_entry_is_the_moving_average_of_the_vectors_that_chose_it() -> None:
    quantizer = plain_quantizer(codebook_at([1.0, 0.0], [-1.0, 0.0], usage=2.0))
    vectors = torch.tensor([[0.8, 0.4], [0.6, -0.1], [1.2, 0.3]])
    quantize(quantizer, vectors.T[None], learn=True)
    (codebook,) = quantizer.codebooks
    sums = DECAY * 2 * torch.tensor([1.0, 0.0]) + (1 - DECAY) * vectors.sum(dim=0)
    usage = DECAY * 2 + (1 - DECAY) * 3
    torch.testing.assert_close(codebook.entries[0], sums / usage)
    torch.testing.assert_close(codebook.entries[1], torch.tensor([-1.0, 0.0]))
    torch.testing.assert_close(codebook.cluster_usage, torch.tensor([usage, DECAY * 2]))
    torch.testing.assert_close(codebook.half_norms, codebook.entries.square().sum(dim=-1) / 2)


def test_the_second_codebook_follows_what_the_first_leaves() -> None:
    quantizer = plain_quantizer(
        codebook_at([1.0, 0.0], [-1.0, 0.0]), codebook_at([0.0, 0.5], [0.0, -9.0])
    )
    vectors = torch.tensor([[1.0, 0.3], [1.0, 0.5]])
    quantize(quantizer, vectors.T[None], learn=True)
    _, second = quantizer.codebooks
    sums = DECAY * torch.tensor([0.0, 0.5]) + (1 - DECAY) * torch.tensor([0.0, 0.8])
    torch.testing.assert_close(second.entries[0], sums / (DECAY + (1 - DECAY) * 2))


def test_who_only_looks_changes_nothing() -> None:
    quantizer = random_quantizer()
    before = {name: weight.clone() for name, weight in quantizer.state_dict().items()}
    quantize(quantizer, torch.randn(2, 6, 5), learn=False)
    torch.testing.assert_close(dict(quantizer.state_dict()), before, rtol=0, atol=0)


def test_an_entry_that_nobody_chooses_is_put_on_a_vector_of_the_batch() -> None:
    quantizer = plain_quantizer(codebook_at([1.0, 0.0], [50.0, 50.0], usage=0.03))
    vectors = torch.tensor([[0.8, 0.4], [0.6, -0.1]])
    quantize(quantizer, vectors.T[None], learn=True)
    (codebook,) = quantizer.codebooks
    assert codebook.entries[1].tolist() in vectors.tolist()
    assert codebook.cluster_usage[1] == 1.0
    assert codebook.entries[0, 0] > 0.6


def test_fitted_entries_are_the_means_of_clusters() -> None:
    centres = torch.tensor([[5.0, 0.0], [-5.0, 0.0], [0.0, 5.0], [0.0, -5.0]])
    noise = 0.1 * torch.randn(4, 50, 2, generator=generator())
    vectors = centres[:, None] + noise
    codebook = Codebook(4, 2)
    fit([codebook], vectors.flatten(0, 1), generator(4), rounds=12)
    found = codebook.entries[codebook.nearest(centres)]
    torch.testing.assert_close(found, vectors.mean(dim=1))
    assert codebook.cluster_usage.sum().item() == pytest.approx(4)


def test_each_fitted_codebook_leaves_less() -> None:
    vectors = torch.randn(400, 4, generator=generator())
    codebooks = [Codebook(16, 4) for _ in range(3)]
    fit(codebooks, vectors, generator(), rounds=6)
    rest, left = vectors, [1.0]
    for codebook in codebooks:
        rest = rest - codebook.lookup(codebook.nearest(rest))
        left.append(float(rest.square().mean()))
    assert all(after < 0.75 * before for before, after in pairwise(left))


def test_a_fit_leaves_no_entry_unused_and_depends_on_its_generator_alone() -> None:
    vectors = torch.randn(60, 4, generator=generator())
    vectors[:30] = vectors[0]
    codebooks = [Codebook(16, 4) for _ in range(3)]
    for codebook, seed in zip(codebooks, (1, 1, 2), strict=True):
        fit([codebook], vectors, generator(seed), rounds=8)
    used = torch.bincount(codebooks[0].nearest(vectors), minlength=16)
    assert int((used > 0).sum()) >= 14
    torch.testing.assert_close(codebooks[1].entries, codebooks[0].entries, rtol=0, atol=0)
    assert not torch.equal(codebooks[2].entries, codebooks[0].entries)


def test_registered_codebooks_search_what_is_stored() -> None:
    quantizer, latent = random_quantizer(), torch.randn(2, 6, 5)
    expected = quantizer.encode(latent, 3)
    for codebook in quantizer.codebooks:
        codebook.entries, codebook.half_norms = torch.zeros(8, 4), torch.zeros(8)
    register(quantizer)
    assert torch.equal(quantizer.encode(latent, 3), expected)
