"""The speech corpus as an evaluation sees it: what training never heard, and Moshi's own voice."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from kaiwa_training.evaluation.clips import Clip, Samples, choose_evenly
from kaiwa_training.evaluation.errors import EvaluationError
from kaiwa_training.evaluation.lines import OTHER, Lines
from kaiwa_training.speech.corpus import Corpus
from kaiwa_training.speech.plan import Kind
from kaiwa_training.speech.voices import MOSHI
from kaiwa_training.texts.texts import Texts, load_texts

HELD_OUT_KINDS = (Kind.HELD_OUT_PHRASING, Kind.HELD_OUT_VOICE, Kind.HELD_OUT_BOTH)
MOSHI_ENGINE = "Moshi"
"""Stands for an engine where Moshi's own voice is set beside those of users."""


def lines_of(texts: Texts) -> Lines:
    """What Moshi should say, by the names of the intents."""
    replies = {intent.name: intent.reply for intent in texts.intents}
    return Lines(texts.greeting, texts.not_understood, replies)


class CorpusClips:
    """The clips of a corpus by what they are used for.

    Raises:
        EvaluationError: there is no whole corpus in the folder.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._corpus = Corpus(folder)
        except FileNotFoundError as error:
            raise EvaluationError(f"{folder}: expected a speech corpus, found none") from error
        self._intents = tuple(intent.name for intent in load_texts().intents)
        self.lines = lines_of(load_texts())

    def choose(self, kind: Kind, count: int, rng: np.random.Generator) -> list[Clip]:
        """Questions of a kind, as many from each engine."""
        return self._choose(kind, count, rng, lambda clip: True)

    def strange(self, count: int, rng: np.random.Generator) -> list[Clip]:
        """What no reply belongs to and training never heard: near misses, then plain sentences."""
        near = count // 2
        both = Kind.HELD_OUT_BOTH
        return [
            *self._choose(both, near, rng, lambda clip: self._intent(clip) == OTHER),
            *self._choose(Kind.HELD_OUT_SENTENCE, count - near, rng, self._is_a_user),
        ]

    def sentences(self, count: int, seed: int) -> list[Clip]:
        """Held-out sentences: `count` of each engine and as many in Moshi's voice."""
        rng = np.random.default_rng(seed)
        engines = {self._engine(int(clip)) for clip in self._corpus.of_kind(Kind.HELD_OUT_SENTENCE)}
        return self._choose(Kind.HELD_OUT_SENTENCE, count * len(engines), rng, lambda clip: True)

    def original_replies(self) -> dict[str, Samples]:
        """The original voice saying each of Moshi's lines, by text."""
        clips = [self._clip(int(clip)) for clip in self._corpus.of_kind(Kind.MOSHI_REPLY)]
        return {clip.text: clip.samples for clip in clips}

    def _choose(
        self, kind: Kind, count: int, rng: np.random.Generator, wanted: Callable[[int], bool]
    ) -> list[Clip]:
        clips = [int(clip) for clip in self._corpus.of_kind(kind) if wanted(int(clip))]
        groups = [(self._engine(clip), self._intent(clip)) for clip in clips]
        return [self._clip(clips[place]) for place in choose_evenly(groups, count, rng)]

    def _clip(self, clip: int) -> Clip:
        kind = int(self._corpus.clips["kind"][clip])
        return Clip(
            name=f"{kind}-{clip}",
            samples=self._corpus.samples(clip).astype(np.float32) / np.float32(32768),
            text=self._corpus.text(clip),
            voice=str(self._corpus.voice(clip)),
            engine=self._engine(clip),
            kind=kind,
            intent=self._intent(clip),
        )

    def _intent(self, clip: int) -> str:
        intent = int(self._corpus.clips["intent"][clip])
        return self._intents[intent] if 0 <= intent < len(self._intents) else OTHER

    def _engine(self, clip: int) -> str:
        voice = self._corpus.voice(clip)
        return MOSHI_ENGINE if voice == MOSHI else voice.engine

    def _is_a_user(self, clip: int) -> bool:
        return self._corpus.voice(clip) != MOSHI
