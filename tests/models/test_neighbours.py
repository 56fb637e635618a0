"""With the kernels a session has the same bits alone and among others, in every set of others."""

import pytest
import torch
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.mimi import Mimi
from kaiwa_server.models.sampling import SamplingRows
from models.needs import needs_kernels
from models.served import as_served
from models.tiny_lm import TINY, tiny_lm
from tiny_mimi import any_codes, noise, tiny_mimi
from torch import Tensor

pytestmark = needs_kernels

SESSIONS, STEPS = 7, 20
TOGETHER = [list(range(SESSIONS))]
APART = [[session] for session in range(SESSIONS)]
IN_PARTS = [[0, 3], [1, 2, 4, 5], [6]]

others = pytest.mark.parametrize("batches", [APART, IN_PARTS], ids=["apart", "in parts"])


def encoded(mimi: Mimi, batches: list[list[int]]) -> Tensor:
    """The latents of all sessions, [T, S, C]."""
    state = mimi.new_encoder_state(SESSIONS)
    sound = torch.cat([noise(STEPS, seed) for seed in range(SESSIONS)]).chunk(STEPS, dim=-1)
    latents = torch.empty(STEPS, SESSIONS, 16)
    for step, frame in enumerate(sound):
        for batch in batches:
            rows = torch.tensor(batch)
            latents[step, rows] = mimi.encode_latent(state, rows, frame[rows])[..., 0]
    return latents


def decoded(mimi: Mimi, batches: list[list[int]]) -> Tensor:
    """The sound of all sessions, [T, S, 1920]."""
    state = mimi.new_decoder_state(SESSIONS)
    codes = torch.cat([any_codes(STEPS, seed) for seed in range(SESSIONS)]).chunk(STEPS, dim=-1)
    sound = torch.empty(STEPS, SESSIONS, 1920)
    for step, frame in enumerate(codes):
        for batch in batches:
            rows = torch.tensor(batch)
            sound[step, rows] = mimi.decode(state, rows, frame[rows])[:, 0]
    return sound


def text_logits(lm: MoshiLm, batches: list[list[int]]) -> Tensor:
    """Those of all sessions, which depend on all tokens of the steps before: [T, S, V]."""
    state, generator = lm.new_state(SESSIONS), torch.Generator().manual_seed(1)
    heard = torch.randint(
        TINY.codebook_size, (STEPS, SESSIONS, TINY.codebooks), generator=generator
    )
    logits = torch.empty(STEPS, SESSIONS, TINY.text_vocabulary_size)
    found: list[Tensor] = []
    lm.text_linear.register_forward_hook(lambda *call: found.append(call[-1][:, 0]))
    for step in range(STEPS):
        for batch in batches:
            rows = torch.tensor(batch)
            greedy, unused = SamplingRows.greedy(len(batch)), torch.zeros(len(batch), 4)
            lm.step(state, rows, heard[step, rows], greedy, unused)
            logits[step, rows] = found.pop()
    return logits


@others
def test_what_it_hears(batches: list[list[int]]) -> None:
    mimi = as_served(tiny_mimi())
    assert torch.equal(encoded(mimi, batches), encoded(mimi, TOGETHER))


@others
def test_how_it_sounds(batches: list[list[int]]) -> None:
    mimi = as_served(tiny_mimi())
    assert torch.equal(decoded(mimi, batches), decoded(mimi, TOGETHER))


@others
def test_what_it_says(batches: list[list[int]]) -> None:
    lm = as_served(tiny_lm())
    assert torch.equal(text_logits(lm, batches), text_logits(lm, TOGETHER))
