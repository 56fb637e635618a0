"""How near a variant is to the exact one."""

import torch
from bench.agreement import compare_lm, compare_mimi
from bench.variants import EXACT
from models.tiny_lm import TINY, tiny_lm
from tiny_mimi import noise, tiny_mimi
from torch import Tensor

FRAMES = 4


def sound() -> Tensor:
    return torch.stack(noise(FRAMES, seed=1).split(1920, dim=-1))


def heard() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(TINY.codebook_size, (12, 1, TINY.codebooks), generator=generator)


def test_a_codec_agrees_with_itself_in_all() -> None:
    mimi = tiny_mimi()
    found = compare_mimi("tiny", EXACT, mimi, mimi, sound())
    assert (found.tokens, found.equal_share) == (FRAMES * 4, 1.0)
    assert found.sound_error_db is not None
    assert found.sound_error_db < -100


def test_another_codec_agrees_less_and_sounds_otherwise() -> None:
    found = compare_mimi("tiny", EXACT, tiny_mimi(seed=0), tiny_mimi(seed=1), sound())
    assert found.equal_share < 1.0
    assert found.sound_error_db is not None
    assert found.sound_error_db > -20


def test_a_language_model_agrees_with_itself_in_all() -> None:
    assert compare_lm(tiny_lm(), tiny_lm(), heard()) == (12 * 4, 12 * 4)


def test_one_step_that_differs_is_counted_once() -> None:
    exact, other = tiny_lm(), tiny_lm()
    # Another last codebook, which nothing in the same step depends on.
    other.linears[-1].weight.data = other.linears[-1].weight.flip(0)
    tokens, equal = compare_lm(exact, other, heard())
    assert tokens - 12 <= equal < tokens
