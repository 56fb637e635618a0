from collections.abc import Iterator

import numpy as np
import pytest
import torch
from kaiwa_training.lm import judgement
from kaiwa_training.lm.judgement import judge
from kaiwa_training.lm.rollout import Call, RolloutPlan, converse, question_calls, silent_calls
from kaiwa_training.lm.stores import Array
from kaiwa_training.lm.tokenizer import PADDING
from training.lm.tiny_training import served, tiny_trainable
from training.lm.toy import ToyWorld

WORLD = ToyWorld()
BANK = WORLD.bank()
PLAN = RolloutPlan(frames_before=20, frames_after=30, rows=4)
LM = served(tiny_trainable())


class Actor:
    """Says by heart what a call's script has: (frame, number of the reply)."""

    def __init__(self, scripts: list[list[tuple[int, int]]], frames: int) -> None:
        self.calls = [self._call(script, frames) for script in scripts]

    @staticmethod
    def _call(script: list[tuple[int, int]], frames: int) -> tuple[Array, Array]:
        text = np.full(frames, PADDING)
        codes = np.zeros((WORLD.codebooks, frames), np.int64)
        for frame, number in script:
            reply = BANK.replies[number]
            text[frame : frame + len(reply.tokens)] = reply.tokens
            codes[:, frame : frame + len(reply.tokens)] = reply.codes
        return text, codes


def judged(
    monkeypatch: pytest.MonkeyPatch,
    intents: list[str],
    asked: list[list[tuple[int, int]]],
    silent: list[list[tuple[int, int]]],
) -> judgement.Judgement:
    """The judgement of calls whose questions end in frame 40."""
    questions = WORLD.questions(len(intents), seed=1)
    object.__setattr__(questions, "intent", np.array(intents))

    def told(*_: object) -> Iterator[tuple[int, Call]]:
        for i, call in enumerate(Actor(asked, 90).calls):
            yield i, Call(40, *call)

    def untold(*_: object) -> Iterator[Call]:
        for call in Actor(silent, 90).calls:
            yield Call(20, *call)

    monkeypatch.setattr(judgement, "question_calls", told)
    monkeypatch.setattr(judgement, "silent_calls", untold)
    return judge(LM, BANK, WORLD.tokenizer(), questions, WORLD.backgrounds(), PLAN)


GREETING, STRANGE = len(BANK.replies) - 1, len(BANK.replies) - 2
GREETED = (6, GREETING)


def test_only_the_whole_reply_and_nothing_else_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    found = judged(
        monkeypatch,
        intents=["intent0", "intent0", "intent1", "intent2"],
        asked=[[GREETED, (45, 0)], [GREETED, (45, 1)], [GREETED, (45, 1), (60, 1)], [GREETED]],
        silent=[[GREETED]],
    )
    assert found.right == 0.25
    assert found.groups["reply"] == {"intent0": 0.5, "intent1": 0.0, "intent2": 0.0}
    wrong = {(confusion.due, confusion.said) for confusion in found.confusions}
    twice = "Answer1 it is. Answer1 it is."
    assert wrong == {("intent0", "Answer1 it is."), ("intent1", twice), ("intent2", "")}
    assert (found.greeted, found.quiet, found.answered_after, found.voice) == (1.0, 1.0, 5.0, 1.0)


def test_what_is_said_before_the_end_of_the_question_spoils_the_greeting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = judged(
        monkeypatch,
        intents=["intent0"],
        asked=[[GREETED, (30, STRANGE), (45, 0)]],
        silent=[[GREETED, (50, STRANGE)]],
    )
    assert (found.right, found.greeted, found.quiet) == (1.0, 0.5, 0.0)


def test_each_question_is_heard_in_a_call_of_its_own() -> None:
    questions, backgrounds = WORLD.questions(3, seed=1), WORLD.backgrounds(frames=8)
    plan = RolloutPlan(frames_before=2, frames_after=3, rows=2)
    calls = dict(question_calls(LM, questions, backgrounds, plan))
    assert sorted(calls) == list(range(3))
    for i, call in calls.items():
        assert len(call.text) == call.codes.shape[1] == 2 + questions.lengths[i] + 3
        assert call.speech_end == 2 + questions.speech_end_frame[i]
    assert [len(call.text) for call in silent_calls(LM, backgrounds, plan)] == [8, 8]


def test_a_call_does_not_depend_on_those_beside_it() -> None:
    user = np.random.default_rng(1).integers(20, size=(3, WORLD.codebooks, 15))
    text, codes = converse(LM, user, [4, 5, 6], PLAN)
    alone_text, alone_codes = converse(LM, user[1:2], [5], PLAN)
    np.testing.assert_array_equal(text[1:2], alone_text)
    np.testing.assert_array_equal(codes[1:2], alone_codes)


def test_calls_are_aligned_frames() -> None:
    """Teacher forcing with what a greedy call gave finds each of its tokens the likeliest."""
    lm = tiny_trainable()
    user = np.random.default_rng(1).integers(20, size=(2, WORLD.codebooks, 12))
    text, codes = converse(served(lm), user, [1, 2], RolloutPlan(greedy=True))
    tokens = torch.from_numpy(np.concatenate((text[:, None], codes, user), axis=1))
    np.testing.assert_array_equal(lm.text_linear(lm.hidden(tokens)).argmax(-1), text)
