"""The whole recipe, from no file to a model that the services load, on a little of everything."""

from pathlib import Path

import numpy as np
import pytest
from kaiwa_server.audio import FRAME_SAMPLES, PcmFrame
from kaiwa_server.codec.steppers import DecodeStepper, EncodeStepper
from kaiwa_server.lm.settings import LmSettings
from kaiwa_server.lm.stepper import LmStepper
from kaiwa_server.models.checkpoint import Checkpoint, load_lm, load_mimi
from kaiwa_training import stages
from kaiwa_training.codec import encoder_training
from kaiwa_training.codec.decoder_training import DecoderPlan
from kaiwa_training.codec.encoder_training import EncoderPlan
from kaiwa_training.lm.training import LmPlan
from kaiwa_training.speech.building import build_corpus
from kaiwa_training.speech.espeak import EspeakMissing
from kaiwa_training.speech.festival import FestivalMissing
from kaiwa_training.speech.flite import FliteMissing
from kaiwa_training.texts.texts import load_texts
from kaiwa_training.workplace import Workplace

ONE_IN_A_HUNDRED = 0.01


def nobody(step: int, figures: dict[str, float]) -> None:
    """Is shown the progress."""


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the stages take less of what does not depend on their plans."""
    monkeypatch.setattr(stages, "SHARD_QUESTIONS", 24)
    monkeypatch.setattr(stages, "BACKGROUNDS", 1)
    monkeypatch.setattr(stages, "DECODER_QUESTIONS", 4)
    monkeypatch.setattr(stages, "DECODER_SENTENCES", 4)
    monkeypatch.setattr(encoder_training, "FITTED_BATCHES", 2)
    monkeypatch.setattr(encoder_training, "JUDGED", {})


def test_a_model_is_made_from_nothing_and_goes_on_where_it_was(
    tmp_path: Path, little: None
) -> None:
    place, texts = Workplace(tmp_path), load_texts()
    try:
        build_corpus(place.corpus, seed=1, processes=2, scale=ONE_IN_A_HUNDRED)
    except (EspeakMissing, FliteMissing, FestivalMissing) as error:
        pytest.skip(str(error))
    stages.encoder(place, EncoderPlan(steps=3, quantized_from=2), nobody)
    stages.tokens(place, texts, "cpu")
    stages.questions(place, texts, 2, "cpu", nobody)
    stages.decoder(place, DecoderPlan(steps=2, last_steps=1), nobody)
    stages.lm(place, LmPlan(steps=2, rows=2), nobody)
    stages.export(place, place.model)

    shown: list[int] = []
    stages.lm(place, LmPlan(steps=3, rows=2), lambda step, figures: shown.append(step))
    assert shown == [3], "what is done is not done again"

    checkpoint = Checkpoint.open(place.model)
    mimi = load_mimi(checkpoint)
    encoder, decoder = EncodeStepper(mimi, 1), DecodeStepper(mimi, 1)
    lm = LmStepper(load_lm(checkpoint), 1)
    encoder.begin(0, None)
    decoder.begin(0, None)
    lm.begin(0, LmSettings(seed=1))
    silence = PcmFrame(0, np.zeros(FRAME_SAMPLES, np.float32))
    lm.step({0: None})
    frame = lm.step({0: encoder.step({0: silence})[0]})[0].frame
    assert frame is not None
    assert np.isfinite(decoder.step({0: frame})[0].samples).all()
