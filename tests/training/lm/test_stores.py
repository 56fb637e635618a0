from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from kaiwa_training.lm.stores import QuestionStore
from training.lm.toy import ToyWorld


def test_a_store_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    store = ToyWorld().questions(5, seed=1)
    store.save(tmp_path / "questions.npz")
    loaded = QuestionStore.load(tmp_path / "questions.npz")
    for field in fields(store):
        np.testing.assert_array_equal(getattr(loaded, field.name), getattr(store, field.name))


def test_joined_stores_hold_the_clips_of_all() -> None:
    stores = [ToyWorld().questions(count, seed=count) for count in (3, 2)]
    joined = QuestionStore.join(stores)
    clips = [store.clip(i) for store in stores for i in range(len(store))]
    words = [store.clip_words(i) for store in stores for i in range(len(store))]
    assert len(joined) == 5
    for i, (clip, spoken) in enumerate(zip(clips, words, strict=True)):
        np.testing.assert_array_equal(joined.clip(i), clip)
        np.testing.assert_array_equal(joined.clip_words(i), spoken)


def test_words_that_one_store_does_not_know_are_not_known_of_the_whole() -> None:
    store = ToyWorld().questions(2, seed=1)
    assert QuestionStore.join([store, replace(store, words=None)]).words is None


def test_a_background_row_begins_as_a_call_or_anywhere_and_is_of_its_condition() -> None:
    store = replace(ToyWorld().backgrounds(), condition=np.array([0, 7]))
    store.codes[:, 100:] += 10
    rows = [store.row(7, 150, np.random.default_rng(seed)) for seed in range(20)]
    assert all(row.shape == (3, 150) and row.min() >= 10 for row in rows)
    fresh = [bool((row[:, :100] == store.clip(1)).all()) for row in rows]
    assert 4 <= sum(fresh) <= 16
    assert store.row("none", 10, np.random.default_rng(1)).shape == (3, 10)
