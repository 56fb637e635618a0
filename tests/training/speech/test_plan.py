"""A plan keeps apart what is trained and what is judged."""

from collections import Counter

import pytest
from kaiwa_training.speech.plan import ENGINES, NO_INTENT, Kind, PlannedClip, plan_clips
from kaiwa_training.speech.voices import (
    HEART,
    HELD_OUT_VOICES,
    HMM_VOICES,
    KOKORO_VOICES,
    MOSHI,
    PICO_VOICES,
    TRAINING_VOICES,
    VOICES_ABROAD,
)
from kaiwa_training.texts.texts import load_texts, words_of

TRAINING = (
    Kind.TRAINING_QUESTION,
    Kind.TRAINING_SENTENCE,
    Kind.MOSHI_REPLY,
    Kind.MOSHI_SENTENCE,
)
JUDGED = (Kind.HELD_OUT_PHRASING, Kind.HELD_OUT_VOICE, Kind.HELD_OUT_BOTH)


@pytest.fixture(scope="module")
def plan() -> tuple[PlannedClip, ...]:
    return plan_clips(load_texts(), seed=1)


def of(plan: tuple[PlannedClip, ...], *kinds: Kind) -> list[PlannedClip]:
    return [clip for clip in plan if clip.kind in kinds]


def test_no_held_out_voice_is_trained(plan: tuple[PlannedClip, ...]) -> None:
    trained = {clip.utterance.voice for clip in of(plan, *TRAINING)}
    judged = of(plan, Kind.HELD_OUT_VOICE, Kind.HELD_OUT_BOTH)
    assert not trained & {clip.utterance.voice for clip in judged}
    assert not set(TRAINING_VOICES) & set(HELD_OUT_VOICES)


def test_no_variant_of_a_held_out_voice_is_trained() -> None:
    def variants(voices: tuple[object, ...]) -> set[str]:
        return {str(voice).partition("+")[2] for voice in voices} - {""}

    assert not variants(TRAINING_VOICES) & variants(HELD_OUT_VOICES)


def test_no_held_out_text_is_trained(plan: tuple[PlannedClip, ...]) -> None:
    trained = {tuple(sorted(words_of(clip.utterance.text))) for clip in of(plan, *TRAINING)}
    held_out = of(plan, Kind.HELD_OUT_PHRASING, Kind.HELD_OUT_BOTH, Kind.HELD_OUT_SENTENCE)
    assert not trained & {tuple(sorted(words_of(clip.utterance.text))) for clip in held_out}


def test_questions_are_asked_in_more_ways_than_are_written(plan: tuple[PlannedClip, ...]) -> None:
    texts = load_texts()
    written = sum(len(intent.asked) for intent in texts.intents) + len(texts.other)
    said = {clip.utterance.text for clip in of(plan, Kind.TRAINING_QUESTION)}
    assert len(said) > 2 * written


def test_a_training_phrasing_in_a_held_out_voice_is_said_as_written(
    plan: tuple[PlannedClip, ...],
) -> None:
    texts = load_texts()
    written = {text for intent in texts.intents for text in intent.asked} | set(texts.other)
    assert {clip.utterance.text for clip in of(plan, Kind.HELD_OUT_VOICE)} <= written


@pytest.mark.parametrize("kind", JUDGED)
def test_engines_count_equally_in_the_evaluation(plan: tuple[PlannedClip, ...], kind: Kind) -> None:
    engines = Counter(clip.utterance.voice.engine for clip in of(plan, kind))
    assert len(engines) == 3
    assert len(set(engines.values())) == 1


def test_every_engine_is_asked_every_intent(plan: tuple[PlannedClip, ...]) -> None:
    intents = {clip.intent for clip in of(plan, Kind.TRAINING_QUESTION)}
    for kind in JUDGED:
        asked = {(clip.utterance.voice.engine, clip.intent) for clip in of(plan, kind)}
        assert len(asked) == 3 * len(intents)


def test_each_engine_says_about_a_third_of_the_questions(plan: tuple[PlannedClip, ...]) -> None:
    further = {*VOICES_ABROAD, *PICO_VOICES, HEART, *KOKORO_VOICES, *HMM_VOICES}
    questions = [
        clip for clip in of(plan, Kind.TRAINING_QUESTION) if clip.utterance.voice not in further
    ]
    engines = Counter(clip.utterance.voice.engine for clip in questions)
    assert set(engines) == set(ENGINES)
    assert all(0.2 < count / len(questions) < 0.5 for count in engines.values())


def test_every_voice_from_abroad_asks_equally_often(plan: tuple[PlannedClip, ...]) -> None:
    voices = Counter(clip.utterance.voice for clip in of(plan, Kind.TRAINING_QUESTION))
    counts = [voices[voice] for voice in VOICES_ABROAD]
    assert max(counts) - min(counts) <= 1


def test_heart_asks_everything_and_kokoro_s_voices_a_third(plan: tuple[PlannedClip, ...]) -> None:
    voices = Counter(clip.utterance.voice for clip in of(plan, Kind.TRAINING_QUESTION))
    counts = [voices[voice] for voice in KOKORO_VOICES]
    assert max(counts) - min(counts) <= 1
    assert 3 * sum(counts) == pytest.approx(voices[HEART], abs=3)


def test_hmm_voices_ask_everything_twice_and_equally_often(plan: tuple[PlannedClip, ...]) -> None:
    voices = Counter(clip.utterance.voice for clip in of(plan, Kind.TRAINING_QUESTION))
    counts = [voices[voice] for voice in HMM_VOICES]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) == 2 * voices[HEART]


def test_only_voices_of_the_three_engines_are_judged(plan: tuple[PlannedClip, ...]) -> None:
    judged = {clip.utterance.voice for clip in of(plan, *JUDGED, Kind.HELD_OUT_SENTENCE)}
    further = {*VOICES_ABROAD, *PICO_VOICES, HEART, *KOKORO_VOICES, *HMM_VOICES}
    assert not judged & further


def test_moshi_says_its_replies_in_order_at_its_own_rate(plan: tuple[PlannedClip, ...]) -> None:
    replies = [clip.utterance for clip in of(plan, Kind.MOSHI_REPLY)]
    assert tuple(reply.text for reply in replies) == load_texts().replies()
    assert {(reply.voice, reply.rate, reply.pitch) for reply in replies} == {(MOSHI, 1.0, 1.0)}


def test_only_questions_and_replies_have_an_intent(plan: tuple[PlannedClip, ...]) -> None:
    for clip in plan:
        has_intent = clip.kind in (Kind.TRAINING_QUESTION, Kind.MOSHI_REPLY, *JUDGED)
        assert (clip.intent != NO_INTENT) == has_intent


def test_a_reply_has_the_intent_that_it_answers(plan: tuple[PlannedClip, ...]) -> None:
    replies = load_texts().replies()
    for clip in of(plan, Kind.MOSHI_REPLY):
        assert replies[clip.intent] == clip.utterance.text


def test_a_seed_gives_one_plan(plan: tuple[PlannedClip, ...]) -> None:
    assert plan_clips(load_texts(), seed=1) == plan


def test_a_small_plan_has_all_replies(plan: tuple[PlannedClip, ...]) -> None:
    small = plan_clips(load_texts(), seed=1, scale=0.01)
    assert len(small) < len(plan) / 50
    assert len(of(small, Kind.MOSHI_REPLY)) == len(load_texts().replies())
