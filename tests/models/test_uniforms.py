"""The random numbers of steps are fixed for good."""

import numpy as np
import torch
from kaiwa_server.models.uniforms import draw, uniforms


def test_uniforms_are_a_fixed_function_of_seed_step_and_stream() -> None:
    expected = uniforms(seed=2**63 - 1, step=3000, count=9)
    assert expected.dtype == np.float32
    np.testing.assert_array_equal(uniforms(seed=2**63 - 1, step=3000, count=4), expected[:4])
    # As written down once: another value would give running sessions other words.
    numbers = (uniforms(seed=1, step=2, count=3) * 2**24).tolist()
    assert numbers == [15865836, 11664518, 1763095]


def test_no_two_steps_share_their_uniforms() -> None:
    drawn = np.concatenate([uniforms(7, step, 9) for step in range(2000)])
    assert (drawn >= 0).all()
    assert (drawn < 1).all()
    # Numbers of 24 bits: among 18,000 some ten meet by chance.
    assert len(np.unique(drawn)) > len(drawn) - 30


def test_rows_draw_what_their_sessions_do() -> None:
    drawn = draw(torch.tensor([7, 2**63 - 1]), torch.tensor([0, 3000]), 9)
    expected = np.stack([uniforms(7, 0, 9), uniforms(2**63 - 1, 3000, 9)])
    np.testing.assert_array_equal(drawn.numpy(), expected)
