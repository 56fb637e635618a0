"""The delay line against a table that is written down in full."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kaiwa_server.models.delays import NO_INPUT, UNGENERATED, DelayLine
from torch import Tensor

MOSHI = (0, 0, 1, 1, 0, 1, 1)
WRITTEN = 4
INITIAL = (100, 200, 200, 200, 200, 200, 200)


def line(slots: int, delays: tuple[int, ...] = MOSHI) -> DelayLine:
    return DelayLine(
        slots,
        delays=delays,
        initial_tokens=INITIAL,
        written=WRITTEN,
        device=torch.device("cpu"),
    )


def said(step: int) -> list[int]:
    """What the user says in a step: tens are the step, ones the stream."""
    return [10 * step + stream for stream in range(WRITTEN, len(MOSHI))]


def wrote(step: int) -> list[int]:
    """What Moshi writes in a step, alike."""
    return [10 * step + stream for stream in range(WRITTEN)]


def turn(delay_line: DelayLine, slot: int, step: int) -> tuple[list[int], list[int]]:
    """One step of a slot: what it read, and the frame it completed."""
    rows, steps = torch.tensor([slot]), torch.tensor([step])
    delay_line.hear(rows, steps, torch.tensor([said(step)]))
    read = delay_line.read(rows, steps)[0].tolist()
    delay_line.write(rows, steps, torch.tensor([wrote(step)]))
    return read, delay_line.aligned(rows, steps)[0].tolist()


def expected(delays: tuple[int, ...], step: int) -> tuple[list[int], list[int]]:
    """The same by the definition of a delay, from everything that was ever said and written."""
    read = []
    for stream, delay in enumerate(delays):
        origin = step - 1 if stream < WRITTEN else step - delay
        token = 10 * origin + stream
        read.append(INITIAL[stream] if step <= delay else token)
    frame = step - max(delays)
    if frame < 0:
        return read, [UNGENERATED] * WRITTEN
    return read, [10 * (frame + delays[stream]) + stream for stream in range(WRITTEN)]


@given(delays=st.tuples(*[st.integers(0, 4)] * len(MOSHI)), steps=st.integers(1, 14))
def test_every_stream_is_read_and_aligned_by_its_delay(delays: tuple[int, ...], steps: int) -> None:
    delay_line = line(1, delays)
    for step in range(steps):
        assert turn(delay_line, 0, step) == expected(delays, step)


def test_step_0_reads_the_initial_tokens_whatever_the_user_says() -> None:
    read, completed = turn(line(1), 0, 0)
    assert read == list(INITIAL)
    assert completed == [UNGENERATED] * WRITTEN


def test_moshi_s_frame_is_complete_one_step_after_its_semantic_token() -> None:
    delay_line = line(1)
    turn(delay_line, 0, 0)
    _, completed = turn(delay_line, 0, 1)
    assert completed == [wrote(0)[0], wrote(0)[1], wrote(1)[2], wrote(1)[3]]


def test_a_user_who_is_not_heard_is_read_as_no_input() -> None:
    delay_line = line(1)
    row = torch.tensor([0])
    for step in range(4):
        turn(delay_line, 0, step)
    delay_line.hear(row, torch.tensor([4]), torch.tensor([[NO_INPUT] * 3]))
    # The semantic stream is silent at once, the acoustic ones say what is due from step 3.
    heard = delay_line.read(row, torch.tensor([4]))[0, WRITTEN:].tolist()
    assert heard == [NO_INPUT, said(3)[1], said(3)[2]]


def test_slots_at_different_steps_do_not_mix() -> None:
    delay_line = line(3)
    for step in range(5):
        turn(delay_line, 2, step)
    rows, steps = torch.tensor([2, 0]), torch.tensor([5, 0])
    delay_line.hear(rows, steps, torch.tensor([said(5), said(0)]))
    read = delay_line.read(rows, steps)
    delay_line.write(rows, steps, torch.tensor([wrote(5), wrote(0)]))
    completed = delay_line.aligned(rows, steps)
    for row, step in ((0, 5), (1, 0)):
        assert (read[row].tolist(), completed[row].tolist()) == expected(MOSHI, step)


def test_a_slot_that_is_not_stepped_does_not_move() -> None:
    delay_line = line(2)
    for step in range(3):
        turn(delay_line, 1, step)
    kept = delay_line.tokens[1].clone()
    for step in range(7):
        turn(delay_line, 0, step)
    assert torch.equal(delay_line.tokens[1], kept)


@pytest.mark.parametrize("used", [1, 2, 9])
def test_reset_equals_fresh(used: int) -> None:
    delay_line = line(2)
    for step in range(used):
        turn(delay_line, 1, step)
    delay_line.reset(1)
    assert torch.equal(delay_line.tokens, line(2).tokens)


def test_no_step_reads_what_was_never_written() -> None:
    delay_line = line(1)
    read: list[Tensor] = [torch.tensor(turn(delay_line, 0, step)[0]) for step in range(12)]
    assert (torch.stack(read) != UNGENERATED).all()
