"""An evaluation takes from a corpus what training never heard."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from kaiwa_training.evaluation.corpus_clips import MOSHI_ENGINE, CorpusClips
from kaiwa_training.evaluation.errors import EvaluationError
from kaiwa_training.evaluation.plan import Plan, Stage, plan_calls
from kaiwa_training.speech.corpus import CLIP_FIELDS, WORD_FIELDS
from kaiwa_training.speech.plan import NO_INTENT, Kind
from kaiwa_training.speech.speech import Voice
from kaiwa_training.speech.voices import MOSHI
from kaiwa_training.texts.texts import load_texts

VOICES = [Voice("espeak", "en+f4"), Voice("flite", "rms"), Voice("festival", "ked_diphone"), MOSHI]
INTENTS = len(load_texts().intents)
SAMPLES = 4_800


def planned_rows() -> list[tuple[Kind, int, int]]:
    """Kind, voice and intent: each intent once in each held-out kind and user's voice."""
    users, moshi = range(3), 3
    rows = [
        (kind, voice, intent)
        for kind in (Kind.HELD_OUT_PHRASING, Kind.HELD_OUT_VOICE, Kind.HELD_OUT_BOTH)
        for voice in users
        for intent in range(INTENTS + 1)
    ]
    rows += [(Kind.HELD_OUT_SENTENCE, voice, NO_INTENT) for voice in (*users, moshi)] * 4
    return [*rows, (Kind.MOSHI_REPLY, moshi, 0)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus")
    rows = planned_rows()
    clips = np.zeros(len(rows), CLIP_FIELDS)
    for place, (kind, voice, intent) in enumerate(rows):
        clips[place]["pcm_start"] = place * SAMPLES
        clips[place]["pcm_length"] = SAMPLES
        clips[place]["kind"], clips[place]["voice"] = kind, voice
        clips[place]["intent"] = intent
    sound = np.random.default_rng(1).normal(0, 2_000, len(rows) * SAMPLES)
    np.save(path / "pcm.npy", sound.astype(np.int16))
    np.save(path / "phones.npy", np.zeros(1, np.uint8))
    np.save(path / "words.npy", np.zeros(0, WORD_FIELDS))
    np.save(path / "clips.npy", clips)
    (path / "texts.json").write_text(json.dumps([load_texts().intents[0].reply]))
    (path / "vocabulary.json").write_text("[]")
    (path / "voices.json").write_text(json.dumps([asdict(voice) for voice in VOICES]))
    return path


@pytest.fixture(scope="module")
def source(folder: Path) -> CorpusClips:
    return CorpusClips(folder)


def test_questions_come_in_equal_numbers_from_each_engine(source: CorpusClips) -> None:
    clips = source.choose(Kind.HELD_OUT_BOTH, 30, np.random.default_rng(1))
    assert Counter(clip.engine for clip in clips) == {"espeak": 10, "flite": 10, "festival": 10}
    assert {clip.kind for clip in clips} == {Kind.HELD_OUT_BOTH}
    assert clips[0].samples.dtype == np.float32 and np.abs(clips[0].samples).max() < 1


def test_an_intent_is_known_by_its_name_and_has_its_reply(source: CorpusClips) -> None:
    clips = source.choose(Kind.HELD_OUT_VOICE, 3 * (INTENTS + 1), np.random.default_rng(1))
    replies = {source.lines.reply(clip.intent) for clip in clips}
    assert replies == set(load_texts().replies()) - {source.lines.greeting}


def test_half_of_what_is_strange_is_near_the_questions(source: CorpusClips) -> None:
    strange = source.strange(6, np.random.default_rng(1))
    assert [clip.kind for clip in strange] == [Kind.HELD_OUT_BOTH] * 3 + [
        Kind.HELD_OUT_SENTENCE
    ] * 3
    assert {source.lines.reply(clip.intent) for clip in strange} == {source.lines.not_understood}
    assert MOSHI_ENGINE not in {clip.engine for clip in strange}


def test_sentences_come_from_every_engine_and_from_moshi(source: CorpusClips) -> None:
    engines = Counter(clip.engine for clip in source.sentences(2, seed=1))
    assert engines == {"espeak": 2, "flite": 2, "festival": 2, MOSHI_ENGINE: 2}


def test_the_original_voice_is_there_by_text(source: CorpusClips) -> None:
    assert len(source.original_replies()[load_texts().intents[0].reply]) == SAMPLES


def test_a_stage_has_the_same_calls_alone_and_among_others(source: CorpusClips) -> None:
    size = {"questions_per_set": 9, "questions_per_condition": 6, "scene_calls": 2}
    everything = plan_calls(source, Plan(**size))  # type: ignore[arg-type]
    conditions = plan_calls(source, Plan(frozenset({Stage.CONDITIONS}), **size))  # type: ignore[arg-type]
    names = [call.name for call in everything]
    assert len(set(names)) == len(names)
    assert {call.name for call in conditions} < set(names)
    assert sum(len(call.clips) for call in conditions) == 5 * 6


def test_a_folder_without_a_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="expected a speech corpus"):
        CorpusClips(tmp_path)
