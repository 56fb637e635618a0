"""Calls are planned so that they are the same each time, and fair."""

import numpy as np
from kaiwa_training.evaluation import duplex
from kaiwa_training.evaluation.caller import once_answered, while_it_speaks
from kaiwa_training.evaluation.clips import Clip
from kaiwa_training.evaluation.conditions import CLEAN, CONDITIONS
from kaiwa_training.evaluation.dialogues import two_questions
from kaiwa_training.evaluation.scenes import PlannedCall, Scene

INTENTS = ("name", "joke", "weather", "colour", "music", "other")


def clip(voice: str, intent: str) -> Clip:
    sound = (0.1 * np.random.default_rng(1).standard_normal(4_800)).astype(np.float32)
    return Clip(f"{voice} {intent}", sound, intent, voice, "flite", 4, intent)


CLIPS = [clip(voice, intent) for voice in ("awb", "rms") for intent in INTENTS]


def test_each_clip_is_asked_once_and_never_beside_its_own_intent() -> None:
    calls = two_questions(CLIPS, CLEAN, np.random.default_rng(1))
    asked = [said.name for call in calls for said in call.clips]
    assert sorted(asked) == sorted(said.name for said in CLIPS)
    assert all(first.intent != second.intent for first, second in (c.clips for c in calls))


def test_most_calls_have_one_voice() -> None:
    calls = two_questions(CLIPS, CLEAN, np.random.default_rng(1))
    assert sum(first.voice == second.voice for first, second in (c.clips for c in calls)) >= 5


def test_an_odd_clip_has_a_call_of_its_own() -> None:
    calls = two_questions(CLIPS[:3], CLEAN, np.random.default_rng(1))
    assert sorted(len(call.clips) for call in calls) == [1, 2]


def test_every_call_of_an_evaluation_has_a_name_of_its_own() -> None:
    rng = np.random.default_rng(1)
    calls = [call for condition in CONDITIONS for call in two_questions(CLIPS, condition, rng)]
    calls += duplex.silence(3) + duplex.noise(3, rng) + duplex.interruptions(CLIPS, 3, rng)
    calls += duplex.five_questions(CLIPS, 3, rng) + duplex.not_understood(CLIPS[5:6])
    assert len({call.name for call in calls}) == len(calls)


def test_the_same_call_sounds_the_same_again() -> None:
    noisy = PlannedCall(Scene.TWO_QUESTIONS, tuple(CLIPS[:2]), CONDITIONS[2])
    first, again = noisy.caller(), noisy.caller()
    assert first.bed is not None and again.bed is not None
    assert np.array_equal(first.bed, again.bed)
    assert np.array_equal(first.turns[0].samples, again.turns[0].samples)


def test_five_questions_are_five_different_ones() -> None:
    for call in duplex.five_questions(CLIPS, 4, np.random.default_rng(2)):
        assert len({said.intent for said in call.clips} - {"other"}) == 5


def test_an_interrupted_reply_is_not_waited_for_but_the_last_one_is() -> None:
    (call,) = duplex.interruptions(CLIPS, 1, np.random.default_rng(2))
    assert [turn.go_on for turn in call.caller().turns] == [while_it_speaks, once_answered]


def test_nothing_is_asked_in_silence_and_noise() -> None:
    calls = duplex.silence(2) + duplex.noise(2, np.random.default_rng(1))
    assert all(not call.clips and call.lead_s == 20 for call in calls)
    assert [call.caller().bed is None for call in calls] == [True, True, False, False]
