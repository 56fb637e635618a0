from dataclasses import replace

import numpy as np
import pytest
from kaiwa_server.models.delays import NO_INPUT
from kaiwa_training.lm.dialogues import (
    MASKED,
    SILENT,
    SPEAKING,
    UNKNOWN,
    DialoguePlan,
    Dialogues,
    Rows,
)
from kaiwa_training.lm.tokenizer import END_OF_PADDING, PADDING
from kaiwa_training.lm.turns import Manners
from training.lm.toy import CALM, ToyWorld

CLEAN = DialoguePlan(
    frames=120,
    dense=0.0,
    quiet=0.0,
    early=0.0,
    barge_in=0.0,
    hasty=0.0,
    replaced_tokens=0.0,
    dropped_stream=0,
)
WORLD = ToyWorld()
BANK = WORLD.bank()
USER = 1 + WORLD.codebooks


def rows_of(plan: DialoguePlan, rows: int = 20) -> Rows:
    dialogues = Dialogues(WORLD.questions(60, seed=3), WORLD.sounds(), plan)
    return dialogues.batch(rows, np.random.default_rng(1))


def answers(rows: Rows, row: int) -> list[tuple[int, int]]:
    """The replies that are due in a row, and the frames in which they begin."""
    due = rows.replies[row]
    last = np.flatnonzero((due != UNKNOWN) & (np.append(due[1:], UNKNOWN) == UNKNOWN))
    return [(int(due[frame]), int(frame)) for frame in last if frame < len(due) - 20]


def speech_ends(rows: Rows, row: int) -> list[int]:
    """The frames in which the toy's user falls silent."""
    loud = rows.tokens[row, USER] >= CALM
    return np.flatnonzero(loud[:-1] & ~loud[1:]).tolist()


def test_a_row_begins_with_the_greeting() -> None:
    rows, greeting = rows_of(CLEAN), BANK.replies[-1]
    place = slice(CLEAN.greeting_frame, CLEAN.greeting_frame + len(greeting.tokens))
    for tokens in rows.tokens:
        assert (tokens[0, : place.start - 1] == PADDING).all()
        assert tokens[0, place.start - 1] == END_OF_PADDING
        np.testing.assert_array_equal(tokens[0, place], greeting.tokens)
        np.testing.assert_array_equal(tokens[1:USER, place], greeting.codes)


def test_each_question_is_answered_with_its_reply_five_frames_after_its_speech() -> None:
    rows, found = rows_of(CLEAN), 0
    for row, tokens in enumerate(rows.tokens):
        for number, start in answers(rows, row):
            reply = BANK.replies[number]
            place = slice(start, start + len(reply.tokens))
            np.testing.assert_array_equal(tokens[0, place], reply.tokens)
            np.testing.assert_array_equal(tokens[1:USER, place], reply.codes)
            assert start - 5 in speech_ends(rows, row)
            found += 1
    assert found > 30


def test_the_first_word_and_the_end_of_padding_before_it_count_six_fold() -> None:
    rows = rows_of(CLEAN)
    for row, weights in enumerate(rows.text_weights):
        for _, start in answers(rows, row):
            assert (weights[start - 1 : start + 1] == 6.0).all()
            assert (weights[start - 4 : start - 1] == 1.0).all()
    assert np.isclose(rows.text_weights, CLEAN.weights.padding).any()


def test_a_step_speaks_until_its_acoustic_tokens_are_written() -> None:
    rows = rows_of(CLEAN)
    for tokens, voice in zip(rows.tokens, rows.voice, strict=True):
        spoken = tokens[1] >= CALM
        np.testing.assert_array_equal(voice[1:] == SPEAKING, spoken[1:] | spoken[:-1])


def test_a_word_is_known_two_frames_after_it_is_heard() -> None:
    rows = rows_of(CLEAN)
    for tokens, words in zip(rows.tokens, rows.words, strict=True):
        heard = np.where(tokens[USER] >= CALM, tokens[USER], UNKNOWN)
        np.testing.assert_array_equal(words[2:], heard[:-2])
        assert (words[:2] == UNKNOWN).all()


def test_a_dense_row_interrupts_every_reply_and_so_holds_more_questions() -> None:
    plan = replace(CLEAN, dense=1.0, dense_frames=(1, 2), manners=Manners(breaks_off_after=2))
    rows, whole = rows_of(plan), rows_of(CLEAN)
    broken_off = 0
    for row, tokens in enumerate(rows.tokens):
        for number, start in answers(rows, row):
            reply = BANK.replies[number]
            said = int((tokens[1, start : start + len(reply.tokens)] >= CALM).sum())
            np.testing.assert_array_equal(tokens[0, start : start + said], reply.tokens[:said])
            np.testing.assert_array_equal(
                tokens[1:USER, start : start + said], reply.codes[:, :said]
            )
            broken_off += said < len(reply.tokens)
    assert broken_off > 10
    assert sum(len(answers(rows, i)) for i in range(20)) > sum(
        len(answers(whole, i)) for i in range(20)
    )


def test_in_a_quiet_row_nothing_follows_the_greeting() -> None:
    rows = rows_of(replace(CLEAN, quiet=1.0))
    end = CLEAN.greeting_frame + len(BANK.replies[-1].tokens)
    assert (rows.tokens[:, USER:] < CALM).all()
    assert (rows.tokens[:, 0, end:] == PADDING).all()
    assert (rows.voice[:, end + 1 :] == SILENT).all()
    assert (rows.replies == UNKNOWN).all()


def test_moshi_falls_silent_six_frames_after_somebody_begins_to_speak() -> None:
    rows = rows_of(replace(CLEAN, early=1.0, barge_in=1.0))
    interrupted = 0
    for tokens in rows.tokens:
        loud = tokens[USER] >= CALM
        begins = np.flatnonzero(loud[1:] & ~loud[:-1]) + 1
        for begin in begins[begins < CLEAN.frames - 6]:
            interrupted += bool(tokens[1, begin] >= CALM)
            if loud[begin : begin + 7].all():
                assert tokens[1, begin + 6] < CALM
    assert interrupted > 3


def test_a_hasty_reply_goes_on_and_its_beginning_is_not_learnt() -> None:
    hasty = 0
    rows = rows_of(replace(CLEAN, hasty=1.0, hasty_frames=(3, 5), manners=Manners(5, 0, 2)))
    for tokens, weights, voice in zip(rows.tokens, rows.text_weights, rows.voice, strict=True):
        loud, spoken = tokens[USER] >= CALM, tokens[1] >= CALM
        for start in np.flatnonzero(spoken[1:] & ~spoken[:-1]) + 1:
            if loud[start - 1] or loud[start]:
                hasty += 1
                assert not weights[max(0, start - 8) : start + 1].any()
                assert (voice[start - 1 : start + 2] == MASKED).all()
                assert spoken[start : start + 6].all() or start + 6 > len(spoken)
    assert hasty > 10


def test_silence_counts_while_a_question_goes_on() -> None:
    rows = rows_of(CLEAN)
    for tokens, weights in zip(rows.tokens, rows.text_weights, strict=True):
        assert (weights[tokens[USER] >= CALM] >= 1.0).all()


def test_tokens_are_replaced_and_acoustic_streams_dropped_but_never_the_semantic_one() -> None:
    noisy = rows_of(replace(CLEAN, replaced_tokens=0.2, dropped_stream=0.5)).tokens[:, USER:]
    dropped = (noisy == NO_INPUT).all(axis=2)
    assert not dropped[:, 0].any()
    assert 0.25 < dropped[:, 1:].mean() < 0.75
    assert (noisy[~dropped] != NO_INPUT).all()


def test_tokens_are_blurred_into_like_ones_alone() -> None:
    alike = (np.arange(WORLD.codebook_size)[:, None] ^ 1,)  # 0 sounds like 1, 2 like 3, ...
    sounds = replace(WORLD.sounds(), alike=alike)
    plain, blurred = (
        Dialogues(WORLD.questions(60, seed=3), sounds, replace(CLEAN, blurred_tokens=share))
        .batch(8, np.random.default_rng(1))
        .tokens[:, USER]
        for share in (0.0, 1.0)
    )
    other = plain != blurred
    assert other.mean() > 0.1
    assert np.array_equal(blurred[other], plain[other] ^ 1)


def test_sounds_that_are_not_speech_are_not_answered() -> None:
    noises = WORLD.backgrounds()
    noises.codes[:] = 7
    sounds = replace(WORLD.sounds(), noises=noises)
    plan = replace(CLEAN, quiet=1.0, noises_in_row=1.0)
    dialogues = Dialogues(WORLD.questions(60, seed=3), sounds, plan)
    rows = dialogues.batch(10, np.random.default_rng(1))
    assert (rows.tokens[:, USER] == 7).any(axis=1).all()
    assert (rows.replies == UNKNOWN).all()


def test_the_questions_of_a_row_are_of_its_condition() -> None:
    world = WORLD.questions(60, seed=3)
    store = replace(world, condition=np.arange(60) % 2)
    store.codes[1] = np.repeat(10 + store.condition, store.lengths)
    sounds = WORLD.sounds()
    sounds.backgrounds.codes[1] = 12
    dialogues = Dialogues(store, sounds, replace(CLEAN, one_condition=1.0))
    for tokens in dialogues.batch(20, np.random.default_rng(1)).tokens:
        assert len({10, 11} & set(tokens[USER + 1].tolist())) <= 1


@pytest.mark.parametrize("dense", [0.0, 1.0])
def test_a_batch_is_a_function_of_its_seed(dense: float) -> None:
    one, other = (rows_of(replace(DialoguePlan(), dense=dense), rows=3) for _ in range(2))
    np.testing.assert_array_equal(one.tokens, other.tokens)
    np.testing.assert_array_equal(one.text_weights, other.text_weights)
