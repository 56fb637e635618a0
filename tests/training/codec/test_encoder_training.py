"""The encoder learns from training clips alone, and its codebooks come when it knows something."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from kaiwa_training import checkpoints
from kaiwa_training.codec import encoder_training
from kaiwa_training.codec.batches import Batch, Batches, Mix
from kaiwa_training.codec.encoder_training import (
    FRONT_MODULES,
    JUDGED,
    MEL_BANDS,
    MELS_PER_FRAME,
    EncoderPlan,
    EncoderTraining,
    MelHead,
    train_encoder,
)
from kaiwa_training.codec.heads import IGNORED
from kaiwa_training.codec.start import scale_encoder
from kaiwa_training.speech.plan import Kind
from tiny_mimi import TINY
from torch import Tensor
from training.codec.toy_corpus import HELD_OUT_KINDS, TRAINING_KINDS, WatchedCorpus

MIX = Mix(
    rows=(
        ((Kind.TRAINING_QUESTION, Kind.TRAINING_SENTENCE), 1),
        ((Kind.MOSHI_REPLY, Kind.MOSHI_SENTENCE), 1),
    ),
    frames=7,
)
PLAN = EncoderPlan(steps=5, quantized_from=2, front_until=4, saved_every=2, judged_every=100)


class Stopped(Exception):
    """Somebody pulled the plug."""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(encoder_training, "DEMO_MIMI", TINY)
    monkeypatch.setattr(encoder_training, "TRAINING_MIX", MIX)
    monkeypatch.setattr(encoder_training, "JUDGED", {})
    yield


def train(
    corpus: WatchedCorpus, folder: Path, plan: EncoderPlan = PLAN, stop_at: int | None = None
) -> Path:
    def show(step: int, figures: dict[str, float]) -> None:
        if step == stop_at:
            raise Stopped

    return train_encoder(corpus, folder, plan, show)


def started(corpus: WatchedCorpus, plan: EncoderPlan = PLAN) -> tuple[EncoderTraining, Batches]:
    training = EncoderTraining(corpus, plan)
    batches = Batches(corpus, MIX, seed=1, start=0, stop=9)
    scale_encoder(training.mimi, batches.batch(0).heard)
    return training, batches


def weights(training: EncoderTraining) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in training.mimi.state_dict().items()}


def changed(training: EncoderTraining, before: dict[str, Tensor]) -> set[str]:
    after = training.mimi.state_dict()
    return {name for name, weight in after.items() if not torch.equal(weight, before[name])}


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(
    corpus: WatchedCorpus, tmp_path: Path
) -> None:
    expected = checkpoints.load(train(corpus, tmp_path / "whole"))
    with pytest.raises(Stopped):
        train(corpus, tmp_path / "halves", stop_at=4)
    found = checkpoints.load(train(corpus, tmp_path / "halves"))
    assert expected and found and expected["step"] == found["step"] == PLAN.steps
    for part in ("mimi", "heads", "mel_head", "optimizer"):
        torch.testing.assert_close(found[part], expected[part], rtol=0, atol=0)
    curves = [(tmp_path / run / "encoder.jsonl").read_text() for run in ("whole", "halves")]
    assert curves[0] == curves[1]


def test_the_same_plan_trains_the_same_encoder(corpus: WatchedCorpus, tmp_path: Path) -> None:
    plan = replace(PLAN, steps=2, quantized_from=1)
    runs = [checkpoints.load(train(corpus, tmp_path / run, plan)) for run in ("one", "two")]
    assert runs[0] and runs[1]
    torch.testing.assert_close(runs[0]["mimi"], runs[1]["mimi"], rtol=0, atol=0)


def test_nothing_that_is_held_out_starts_the_encoder_or_its_codebooks(
    corpus: WatchedCorpus, tmp_path: Path
) -> None:
    train(corpus, tmp_path, replace(PLAN, steps=2, quantized_from=1))
    assert corpus.kinds_heard() == set(TRAINING_KINDS)


def test_the_encoder_is_judged_by_what_is_held_out(
    corpus: WatchedCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(JUDGED.values()) <= set(HELD_OUT_KINDS)
    monkeypatch.setattr(encoder_training, "JUDGED", {"both": Kind.HELD_OUT_BOTH})
    train(corpus, tmp_path, replace(PLAN, steps=1, judged_every=1))
    assert corpus.kinds_heard() - set(TRAINING_KINDS) == {Kind.HELD_OUT_BOTH}
    (line,) = (tmp_path / "encoder.jsonl").read_text().splitlines()
    figures = json.loads(line)
    assert all(0 <= figures[f"both_{name}_accuracy"] <= 1 for name in ("phone", "meaning"))


def test_codebooks_are_fitted_once_the_encoder_knows_something_and_then_follow(
    corpus: WatchedCorpus,
) -> None:
    training, batches = started(corpus)
    codebooks = [*training.semantic.quantizer.codebooks, *training.acoustic.quantizer.codebooks]
    for step in range(PLAN.quantized_from):
        assert training.train(batches.batch(step))["distance"] == 0
    assert not any(bool(codebook.entries.any()) for codebook in codebooks)
    training.fit_codebooks([batches.batch(step) for step in range(6)])
    fitted = [codebook.entries.clone() for codebook in codebooks]
    assert all(len(entries.unique(dim=0)) == 16 for entries in fitted)
    assert training.train(batches.batch(7))["distance"] > 0
    for codebook, entries in zip(codebooks, fitted, strict=True):
        assert not torch.equal(codebook.entries, entries)


def test_fitted_codebooks_stand_for_what_the_encoder_makes(corpus: WatchedCorpus) -> None:
    training, batches = started(corpus)
    seen = [batches.batch(step) for step in range(6)]
    training.step = PLAN.quantized_from
    training.fit_codebooks(seen)
    distance = training.losses(seen[0], learn=False)[0]["distance"].item()
    for codebook in (
        *training.semantic.quantizer.codebooks,
        *training.acoustic.quantizer.codebooks,
    ):
        codebook.entries = torch.zeros_like(codebook.entries)
    assert distance < 0.6 * training.losses(seen[0], learn=False)[0]["distance"].item()


def test_the_front_stops_learning_first(corpus: WatchedCorpus) -> None:
    training, batches = started(corpus, replace(PLAN, front_until=1, quantized_from=9))
    front = tuple(f"encoder.model.{place}." for place in range(FRONT_MODULES))
    before = weights(training)
    training.train(batches.batch(0))
    assert any(name.startswith(front) for name in changed(training, before))
    before = weights(training)
    training.train(batches.batch(1))
    found = changed(training, before)
    assert not any(name.startswith(front) for name in found)
    assert any(name.startswith(f"encoder.model.{FRONT_MODULES + 2}.") for name in found)


def test_the_decoder_takes_no_part(corpus: WatchedCorpus) -> None:
    training, batches = started(corpus)
    before = weights(training)
    training.train(batches.batch(0))
    decodes = ("decoder", "upsample")
    assert not any(name.startswith(decodes) for name in changed(training, before))


def test_who_judges_teaches_nothing(corpus: WatchedCorpus) -> None:
    training, batches = started(corpus)
    training.step = PLAN.quantized_from
    training.fit_codebooks([batches.batch(step) for step in range(4)])
    before = weights(training)
    training.judge([batches.batch(5)])
    assert changed(training, before) == set()


def test_meaning_is_judged_where_the_sentence_is_over(corpus: WatchedCorpus) -> None:
    training, _ = started(corpus)
    with torch.no_grad():
        training.heads.meaning.weight.zero_()
        training.heads.meaning.bias.copy_(torch.tensor([0.0, 1.0, 0.0]))
    mix = Mix(rows=(((Kind.HELD_OUT_VOICE,), 6), ((Kind.MOSHI_REPLY,), 2)), frames=12, hard=0.0)
    batches = Batches(corpus, mix, seed=1, start=0, stop=2)
    made = [batches.batch(step) for step in range(2)]
    last = torch.cat([batch.labels.meaning[:, -1] for batch in made])
    known = last[last != IGNORED]
    expected = float((known == 1).float().mean())
    assert 0 < expected < 1 and len(known) < len(last)
    assert training.judge(made)["meaning_accuracy"] == pytest.approx(expected)


def test_it_learns_phones_words_meanings_and_spectra(corpus: WatchedCorpus) -> None:
    training, batches = started(corpus, EncoderPlan(steps=120, top_rate=2e-2, quantized_from=200))
    batch: Batch = batches.batch(1)
    curve = [training.train(batch) for _ in range(14)]
    for name in ("phone", "phone_of_both", "word", "meaning", "mel"):
        assert curve[-1][name] < 0.9 * curve[0][name], name


def test_mel_spectra_are_laid_out_band_by_band_in_order_of_time() -> None:
    head = MelHead(3)
    last = head[2]
    with torch.no_grad():
        for weight in head.parameters():
            weight.zero_()
        last.bias.copy_(torch.arange(MEL_BANDS * MELS_PER_FRAME))
    mels = head(torch.zeros(2, 3, 5))
    assert mels.shape == (2, MEL_BANDS, 5 * MELS_PER_FRAME)
    row = [float(MELS_PER_FRAME * 7 + place) for place in range(MELS_PER_FRAME)]
    assert mels[1, 7].tolist() == row * 5
