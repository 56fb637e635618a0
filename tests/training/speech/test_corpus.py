"""A corpus on disk gives back the clips that were planned."""

import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest
from kaiwa_training.speech import shards as sharding
from kaiwa_training.speech.building import join_shards
from kaiwa_training.speech.corpus import Corpus
from kaiwa_training.speech.espeak import Espeak, EspeakMissing
from kaiwa_training.speech.phones import UNKNOWN
from kaiwa_training.speech.plan import Kind, PlannedClip
from kaiwa_training.speech.shards import make_shard, plan_shards
from kaiwa_training.speech.speech import Utterance, Voice

TEXTS = ("What is your name?", "Hello, can you hear me?", "Ich habe heute keine Zeit.")
VOICES = (Voice("espeak", "en+f2"), Voice("espeak", "en-us"), Voice("espeak", "de+m1"))


def planned() -> tuple[PlannedClip, ...]:
    return tuple(
        PlannedClip(Utterance(text, voice, 1.1, 0.9, seed=3), Kind.TRAINING_QUESTION, place)
        for place, (text, voice) in enumerate(zip(TEXTS, VOICES, strict=True))
    )


def build(folder: Path) -> Corpus:
    shard_folder = folder / "shards"
    shard_folder.mkdir(parents=True)
    shards = plan_shards(planned(), shard_folder)
    # A process of its own for the engine, as in a real build.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.map(make_shard, shards)
    join_shards(shards, folder)
    return Corpus(folder)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    try:
        Espeak()
    except EspeakMissing as error:
        pytest.skip(str(error))
    return build(tmp_path)


def test_clips_keep_what_was_planned(corpus: Corpus) -> None:
    assert [corpus.text(clip) for clip in range(len(corpus))] == list(TEXTS)
    assert [corpus.voice(clip) for clip in range(len(corpus))] == list(VOICES)
    assert corpus.clips["intent"].tolist() == [0, 1, 2]
    assert corpus.of_kind(Kind.TRAINING_QUESTION).tolist() == [0, 1, 2]
    assert corpus.of_kind(Kind.MOSHI_REPLY).tolist() == []


def test_each_clip_has_its_sound_and_phones(corpus: Corpus) -> None:
    for clip in range(len(corpus)):
        samples, phones = corpus.samples(clip), corpus.phones(clip)
        assert samples.dtype == np.int16
        assert np.abs(samples).max() > 3000
        assert len(phones) == -(-len(samples) // 240)


def test_each_clip_has_its_words(corpus: Corpus) -> None:
    for clip in (0, 1):
        words = [corpus.vocabulary[word] for word in corpus.words(clip)["word"]]
        assert words == [word.strip(",?.").lower() for word in TEXTS[clip].split()]


def test_other_languages_have_neither_words_nor_phones(corpus: Corpus) -> None:
    assert len(corpus.words(2)) == 0
    assert set(corpus.phones(2)) == {UNKNOWN}


def test_a_shard_that_is_there_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, corpus: Corpus
) -> None:
    shards = plan_shards(planned(), tmp_path / "shards")
    monkeypatch.setattr(sharding, "make_clip", None)
    assert [make_shard(shard) for shard in shards] == [len(TEXTS)]


def test_the_same_plan_gives_the_same_sound(tmp_path: Path, corpus: Corpus) -> None:
    first = (tmp_path / "pcm.npy").read_bytes()
    shutil.rmtree(tmp_path / "shards")
    build(tmp_path)
    assert (tmp_path / "pcm.npy").read_bytes() == first


def test_a_folder_without_a_corpus_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Corpus(tmp_path)
