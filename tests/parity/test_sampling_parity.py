"""Our draws against the reference's top-k softmax: 20,000 of each, compared by chi-square."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from kaiwa_server.models.sampling import sample
from kaiwa_server.models.uniforms import uniforms
from moshi.utils.sampling import sample_token
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

DRAWS = 20_000
LEAST_P = 1e-3
"""A right sampler falls below this once in a thousand cases; the seeds are fixed."""

LEAST_EXPECTED = 5
"""Tokens that are expected less often are counted together, as the test's theory asks."""

TEXT, AUDIO = 1_000, 2_048


def likely(size: int, seed: int) -> Tensor:
    """Logits [V] as a trained model has them: some tokens stand out."""
    generator = torch.Generator().manual_seed(seed)
    return 2.5 * torch.randn(size, generator=generator)


def draw_ours(logits: Tensor, temperature: float, top_k: int) -> NDArray[np.int64]:
    """The tokens that 20,000 steps of a session would draw from the same logits."""
    drawn = []
    u = torch.from_numpy(np.stack([uniforms(seed=7, step=s, count=1) for s in range(DRAWS)]))
    for part in u[:, 0].split(1000):
        rows = len(part)
        drawn.append(
            sample(
                logits.expand(rows, -1),
                torch.full((rows,), temperature),
                torch.full((rows,), top_k),
                part,
            )
        )
    return torch.cat(drawn).numpy()


def bins(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin [V] of each token: bin 0 for all the rare ones, one each for the others."""
    expected = probabilities * DRAWS
    rare = expected < LEAST_EXPECTED
    if expected[rare].sum() < LEAST_EXPECTED:
        rare[np.argsort(expected)[rare.sum()]] = True
    return np.where(rare, 0, np.cumsum(~rare))


def top_k_softmax(logits: Tensor, temperature: float, top_k: int) -> NDArray[np.float64]:
    """The distribution [V] that the reference draws from."""
    probabilities = torch.softmax(logits.double() / temperature, dim=-1)
    kept = torch.zeros_like(probabilities)
    best = probabilities.topk(min(top_k, len(logits)))
    kept[best.indices] = best.values
    return (kept / kept.sum()).numpy()


@pytest.mark.parametrize(
    ("size", "temperature", "top_k"),
    [
        (TEXT, 0.7, 25),
        (TEXT, 1.5, 25),
        (TEXT, 0.3, 200),
        (TEXT, 1.0, 32_000),
        (AUDIO, 0.8, 250),
        (AUDIO, 0.4, 250),
        (AUDIO, 1.0, 2_048),
        (AUDIO, 5.0, 10),
    ],
)
def test_draws_follow_the_reference_s_distribution(
    size: int, temperature: float, top_k: int, record_property: Callable[[str, object], None]
) -> None:
    logits = likely(size, seed=size + top_k)
    probabilities = top_k_softmax(logits, temperature, top_k)
    tokens = draw_ours(logits, temperature, top_k)
    assert (probabilities[tokens] > 0).all()

    bin_of = bins(probabilities)
    ours = np.bincount(bin_of[tokens])
    expected = np.bincount(bin_of, weights=probabilities) * DRAWS
    against_formula = stats.chisquare(ours, expected)

    torch.manual_seed(8)
    rows = logits.expand(1000, -1)
    theirs = [sample_token(rows, True, temperature, top_k) for _ in range(DRAWS // 1000)]
    both = np.stack([ours, np.bincount(bin_of[torch.cat(theirs).numpy()])])
    against_draws = stats.chi2_contingency(both)

    name = f"{size} tokens, temperature {temperature}, top {top_k}"
    figures = f"{len(ours)} bins, p {against_formula.pvalue:.3f} and {against_draws.pvalue:.3f}"
    record_property(name, figures)
    print(f"\n{name}: {figures}, against the formula and against the reference's own draws")
    assert against_formula.pvalue > LEAST_P
    assert against_draws.pvalue > LEAST_P
