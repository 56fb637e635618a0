"""The language model's streaming properties, on a tiny one with random weights."""

from dataclasses import replace

import pytest
import torch
from kaiwa_server.models.delays import NO_INPUT, UNGENERATED
from kaiwa_server.models.lm import LmState, MoshiLm
from kaiwa_server.models.packing import pack_for_cpu
from kaiwa_server.models.sampling import SamplingRows
from models.needs import needs_kernels
from models.tiny_lm import TINY, tiny_lm
from torch import Tensor

STREAMS = 1 + TINY.codebooks
LONG = 3 * TINY.temporal.context


@pytest.fixture(params=["torch", pytest.param("kernels", marks=needs_kernels)])
def lm(request: pytest.FixtureRequest) -> MoshiLm:
    lm = tiny_lm()
    if request.param == "kernels":
        pack_for_cpu(lm, "fp32")
    return lm


def user(steps: int, seed: int) -> Tensor:
    """A user who says anything, [T, K]; nothing is heard in step 0."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, TINY.codebook_size, (steps, TINY.codebooks), generator=generator)
    tokens[0] = NO_INPUT
    return tokens


def luck(steps: int, seed: int) -> Tensor:
    """The uniforms of a session, [T, 1 + K]."""
    return torch.rand(steps, STREAMS, generator=torch.Generator().manual_seed(seed))


def sampling(rows: int) -> SamplingRows:
    return SamplingRows(
        text_temperature=torch.full((rows,), 0.9),
        text_top_k=torch.full((rows,), 10),
        audio_temperature=torch.full((rows,), 1.1),
        audio_top_k=torch.full((rows,), 15),
    )


def turn(lm: MoshiLm, state: LmState, slots: list[int], heard: Tensor, drawn: Tensor) -> Tensor:
    """One step of some slots: what each wrote and the frame it completed, [B, 1 + 2K]."""
    rows = torch.tensor(slots)
    text, audio = lm.step(state, rows, heard, sampling(len(slots)), drawn)
    return torch.cat((text[:, None], audio, state.completed_frame(rows)), dim=1)


def session(lm: MoshiLm, state: LmState, slot: int, steps: int, seed: int) -> Tensor:
    """A whole session alone in a slot, [T, 1 + 2K]."""
    heard, drawn = user(steps, seed), luck(steps, seed)
    turns = [turn(lm, state, [slot], heard[s, None], drawn[s, None]) for s in range(steps)]
    return torch.cat(turns)


def test_a_session_alone_equals_itself_among_others(lm: MoshiLm) -> None:
    """Sessions join and leave at any step; a slot is taken again by another session."""
    plan = {"a": (2, 0, LONG), "b": (0, 3, 9), "c": (1, 5, 14), "d": (0, 14, 8)}
    state = lm.new_state(3)
    got: dict[str, list[Tensor]] = {name: [] for name in plan}
    for now in range(LONG):
        here = {n: now - joins for n, (_, joins, stay) in plan.items() if 0 <= now - joins < stay}
        for name, step in here.items():
            if step == 0:
                state.reset(plan[name][0])
        heard = torch.stack([user(plan[n][2], seed=ord(n))[step] for n, step in here.items()])
        drawn = torch.stack([luck(plan[n][2], seed=ord(n))[step] for n, step in here.items()])
        turns = turn(lm, state, [plan[name][0] for name in here], heard, drawn)
        for name, tokens in zip(here, turns, strict=True):
            got[name].append(tokens)
    for name, (_, _, stay) in plan.items():
        alone = session(lm, lm.new_state(1), 0, stay, seed=ord(name))
        assert torch.equal(torch.stack(got[name]), alone), name


@pytest.mark.parametrize("used", [1, 3, LONG])
def test_reset_equals_fresh(lm: MoshiLm, used: int) -> None:
    state = lm.new_state(2)
    session(lm, state, 1, used, seed=1)
    state.reset(1)
    assert state.step.tolist() == [0, 0]
    fresh = session(lm, lm.new_state(2), 1, LONG, seed=2)
    assert torch.equal(session(lm, state, 1, LONG, seed=2), fresh)


def test_a_slot_that_is_not_stepped_does_not_move(lm: MoshiLm) -> None:
    state = lm.new_state(3)
    session(lm, state, 1, 5, seed=3)
    kept = state.transformer.rings[:, :, 1].clone()
    due = state.delay_line.tokens[1].clone()
    for slot in (0, 2):
        session(lm, state, slot, LONG, seed=slot)
    assert state.step.tolist() == [LONG, 5, LONG]
    assert torch.equal(state.delay_line.tokens[1], due)
    assert torch.equal(state.transformer.rings[:, :, 1], kept)


def test_steps_equal_one_pass_over_what_they_read(lm: MoshiLm) -> None:
    """A session's text logits are those of a single pass over all that it read."""
    steps = TINY.temporal.context
    stepped: list[Tensor] = []
    hook = lm.text_linear.register_forward_hook(lambda *call: stepped.append(call[-1].clone()))
    written = session(lm, lm.new_state(1), 0, steps, seed=4)
    hook.remove()

    heard = user(steps, seed=4)
    initial = [TINY.text_vocabulary_size, *[TINY.codebook_size] * (2 * TINY.codebooks)]
    read = torch.tensor([initial] * steps)
    for stream, delay in enumerate(TINY.delays):
        for step in range(delay + 1, steps):
            if stream < STREAMS:
                read[step, stream] = written[step - 1, stream]
            else:
                read[step, stream] = heard[step - delay, stream - STREAMS]
    x = torch.cat([lm._embed(tokens[None]) for tokens in read], dim=1)  # [1, T, D]
    hidden = lm.out_norm(lm.transformer(x, lm.transformer.new_state(1), torch.tensor([0])))
    torch.testing.assert_close(torch.cat(stepped, dim=1), lm.text_linear(hidden))


def test_what_is_said_in_step_0_is_not_heard(lm: MoshiLm) -> None:
    silent, loud = lm.new_state(1), lm.new_state(1)
    drawn = luck(LONG, seed=5)
    for step, heard in enumerate(user(LONG, seed=5)):
        said = torch.full_like(heard, 7) if step == 0 else heard
        expected = turn(lm, silent, [0], heard[None], drawn[step, None])
        assert torch.equal(turn(lm, loud, [0], said[None], drawn[step, None]), expected)


def test_what_is_said_later_is_heard_at_once_by_its_semantic_token(lm: MoshiLm) -> None:
    changed = user(LONG, seed=6)
    changed[4, 0] = (changed[4, 0] + 1) % TINY.codebook_size
    logits: list[Tensor] = []
    hook = lm.text_linear.register_forward_hook(lambda *call: logits.append(call[-1].clone()))
    for heard in (user(LONG, seed=6), changed):
        state = lm.new_state(1)
        for step in range(5):
            turn(lm, state, [0], heard[step, None], luck(LONG, seed=6)[step, None])
    hook.remove()
    before, after = logits[:5], logits[5:]
    differs = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert differs == [False] * 4 + [True]


def test_step_s_completes_frame_s_minus_1(lm: MoshiLm) -> None:
    turns = session(lm, lm.new_state(1), 0, LONG, seed=7)
    audio, frames = turns[:, 1:STREAMS], turns[:, STREAMS:]
    assert (frames[0] == UNGENERATED).all()
    assert torch.equal(frames[1:, 0], audio[:-1, 0])  # the semantic token is of the step before
    assert torch.equal(frames[1:, 1:], audio[1:, 1:])


def test_a_longer_acoustic_delay_completes_frames_later() -> None:
    lm = tiny_lm(config=replace(TINY, delays=(0, 0, 2, 2, 0, 2, 2)))
    turns = session(lm, lm.new_state(1), 0, LONG, seed=8)
    audio, frames = turns[:, 1:STREAMS], turns[:, STREAMS:]
    assert (frames[:2] == UNGENERATED).all()
    assert torch.equal(frames[2:, 0], audio[:-2, 0])
    assert torch.equal(frames[2:, 1:], audio[2:, 1:])


def test_a_step_of_half_precision_weights_runs_in_half_precision() -> None:
    lm = tiny_lm().to(torch.bfloat16)
    state = lm.new_state(1)
    assert state.transformer.rings.dtype == torch.bfloat16
    turns = session(lm, state, 0, LONG, seed=9)
    assert (turns[1:] >= 0).all()
