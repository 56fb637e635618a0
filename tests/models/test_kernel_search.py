"""The kernels' search of codebooks, beside torch's."""

import pytest
import torch
from kaiwa_server.models.kernel_search import KernelSearch
from kaiwa_server.models.quantizer import Codebook
from models.needs import needs_kernels
from torch import Tensor

pytestmark = needs_kernels


def codebooks(count: int, bins: int, dimension: int) -> list[Codebook]:
    generator = torch.Generator().manual_seed(1)
    made = [Codebook(bins, dimension) for _ in range(count)]
    for codebook in made:
        weights = codebook.state_dict()
        weights["embedding_sum"].normal_(generator=generator)
        codebook.load_state_dict(weights)
    return made


def search_of(made: list[Codebook]) -> KernelSearch:
    return KernelSearch(
        [codebook.entries for codebook in made], [codebook.half_norms for codebook in made]
    )


@pytest.mark.parametrize("bins", [1, 7, 16, 50, 2048])
def test_each_level_finds_what_torch_finds_for_what_the_levels_before_it_left(bins: int) -> None:
    made = codebooks(4, bins, 12)
    x = torch.randn(3, 5, 12, generator=torch.Generator().manual_seed(2))
    rest, expected = x, []
    for codebook in made:
        expected.append(codebook.nearest(rest))
        rest = rest - codebook.lookup(expected[-1])
    before = x.clone()
    assert torch.equal(search_of(made)(x, 4), torch.stack(expected, dim=-1))
    assert torch.equal(x, before)


def test_of_entries_that_are_as_near_the_first_is_found() -> None:
    made = Codebook(40, 4)
    weights = made.state_dict()
    weights["embedding_sum"].fill_(3.0)
    for place in (9, 21, 38):
        weights["embedding_sum"][place] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    made.load_state_dict(weights)
    assert search_of([made])(torch.zeros(1, 4), 1).tolist() == [[9]]


def test_what_is_not_a_number_has_a_token_all_the_same() -> None:
    x = torch.full((2, 12), torch.nan)
    tokens: Tensor = search_of(codebooks(3, 50, 12))(x, 3)
    assert ((tokens >= 0) & (tokens < 50)).all()
