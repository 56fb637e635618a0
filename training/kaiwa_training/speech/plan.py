"""Which clips a corpus has: who says which text, how fast and how high."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import cycle, islice
from typing import TypeVar

import numpy as np

from kaiwa_training.speech.speech import Utterance, Voice
from kaiwa_training.speech.voices import (
    ESPEAK_TRAINING_VOICES,
    HEART,
    HELD_OUT_VOICES,
    HMM_VOICES,
    KOKORO_VOICES,
    MOSHI,
    OTHER_TRAINING_VOICES,
    PICO_VOICES,
    TRAINING_VOICES,
    VOICES_ABROAD,
    foreign_voices,
)
from kaiwa_training.texts.phrasing import Phrasing
from kaiwa_training.texts.texts import Texts

_T = TypeVar("_T")
Voices = Callable[[], Iterator[Voice]]
"""Gives the voices that say the next text."""

NO_INTENT = -1
ENGINES = ("espeak", "flite", "festival")
"""Those whose English voices are judged, and count equally."""
_ENGINES_IN_ORDER = (*ENGINES, "pico", "neural", "hmm")

_ESPEAK_RATES = (0.765, 1.235)  # 130 to 210 words a minute
_ESPEAK_PITCHES = (0.75, 1.3)
_RATES = (0.8, 1.25)
_PITCHES = (0.8, 1.2)

# How often one phrasing is said by espeak-ng voices, and by each of OTHER_TRAINING_VOICES.
_QUESTION_TIMES = (3, (1, 1, 1, 1, 2))
_OTHER_TIMES = (2, (1, 1, 1, 1, 2))
_SENTENCE_TIMES = (4, (1, 1, 1, 1, 1))
_FOREIGN_TIMES = 7

# How often voices from abroad say it, and HMM voices; each of pico's and heart say it once.
_QUESTION_TIMES_ABROAD = 4
_OTHER_TIMES_ABROAD = 3
_TIMES_HMM = 2
_KOKORO_SAYS_ONE_IN = 3
"""Of the phrasings; it takes half as long to say one as to hear it."""

_EVALUATION_CLIPS_BY_ENGINE = 400
_EVALUATION_OTHER_SHARE = 0.15


class Kind(IntEnum):
    """What a clip is for."""

    TRAINING_QUESTION = 0
    TRAINING_SENTENCE = 1
    MOSHI_REPLY = 2
    MOSHI_SENTENCE = 3
    HELD_OUT_PHRASING = 4  # in a training voice
    HELD_OUT_VOICE = 5  # saying a training phrasing
    HELD_OUT_BOTH = 6
    HELD_OUT_SENTENCE = 7  # in any voice, Moshi's included


@dataclass(frozen=True)
class PlannedClip:
    """One clip to be made. `intent` counts into `Texts.replies()`; NO_INTENT if it has none.

    It is the place of the reply that a question deserves, or of the reply itself.
    """

    utterance: Utterance
    kind: Kind
    intent: int


def plan_clips(texts: Texts, seed: int, scale: float = 1.0) -> tuple[PlannedClip, ...]:
    """Gives the clips of a corpus, those of one engine side by side.

    A `scale` below 1 keeps that share of each kind, except Moshi's replies: those are all there,
    in the order of `Texts.replies()`.
    """
    rng = np.random.default_rng(seed)
    planner = _Planner(texts, rng)
    planned = [
        *planner.questions(),
        *planner.foreign(),
        *planner.sentences(),
        *planner.moshi(),
        *planner.evaluation(Kind.HELD_OUT_PHRASING, TRAINING_VOICES),
        *planner.evaluation(Kind.HELD_OUT_VOICE, HELD_OUT_VOICES),
        *planner.evaluation(Kind.HELD_OUT_BOTH, HELD_OUT_VOICES),
        *planner.held_out_sentences(),
        *planner.questions_in_further_voices(),
        *planner.sentences_in_further_voices(),
    ]
    kept: list[PlannedClip] = []
    for kind in Kind:
        of_kind = [clip for clip in planned if clip.kind == kind]
        order = rng.permutation(len(of_kind))
        share = 1.0 if kind == Kind.MOSHI_REPLY else scale
        kept += [of_kind[i] for i in sorted(order[: max(1, round(share * len(of_kind)))])]
    replies = [clip for clip in kept if clip.kind == Kind.MOSHI_REPLY]
    others = [clip for clip in kept if clip.kind != Kind.MOSHI_REPLY]
    shuffled = [others[i] for i in rng.permutation(len(others))]
    return tuple(sorted([*replies, *shuffled], key=_engine_order))


def _engine_order(clip: PlannedClip) -> tuple[int, str]:
    """Keeps festival's voices together, as it takes long to load one."""
    voice = clip.utterance.voice
    return _ENGINES_IN_ORDER.index(voice.engine), voice.name if voice.engine == "festival" else ""


class _Planner:
    def __init__(self, texts: Texts, rng: np.random.Generator) -> None:
        self._texts = texts
        self._phrasing = Phrasing(texts)
        self._rng = rng
        self._espeak_voices = self._in_turn(ESPEAK_TRAINING_VOICES)
        self._voices_abroad = cycle(VOICES_ABROAD)
        self._hmm_voices = cycle(HMM_VOICES)
        silent = [None] * (_KOKORO_SAYS_ONE_IN - 1)
        self._kokoro_or_none = cycle([part for voice in KOKORO_VOICES for part in (voice, *silent)])

    def questions(self) -> Iterator[PlannedClip]:
        yield from self._questions(
            lambda: self._voices(*_QUESTION_TIMES), lambda: self._voices(*_OTHER_TIMES)
        )

    def questions_in_further_voices(self) -> Iterator[PlannedClip]:
        yield from self._questions(
            lambda: self._further_voices(_QUESTION_TIMES_ABROAD),
            lambda: self._further_voices(_OTHER_TIMES_ABROAD),
        )

    def foreign(self) -> Iterator[PlannedClip]:
        for place, foreign in enumerate(self._texts.foreign):
            voices = foreign_voices(foreign.language)
            for i in range(_FOREIGN_TIMES):
                voice = voices[(place + i) % len(voices)]
                yield self._clip(
                    foreign.text, voice, Kind.TRAINING_QUESTION, len(self._texts.intents)
                )

    def sentences(self) -> Iterator[PlannedClip]:
        yield from self._sentences(lambda: self._voices(*_SENTENCE_TIMES))

    def moshi(self) -> Iterator[PlannedClip]:
        for reply, text in enumerate(self._texts.replies()):
            yield PlannedClip(Utterance(text, MOSHI), Kind.MOSHI_REPLY, reply)
        for text in self._texts.sentences:
            yield PlannedClip(Utterance(text, MOSHI), Kind.MOSHI_SENTENCE, NO_INTENT)

    def evaluation(self, kind: Kind, voices: Sequence[Voice]) -> Iterator[PlannedClip]:
        """Gives equally many clips of each engine; every intent is asked equally often."""
        for engine in ENGINES:
            of_engine = self._in_turn([voice for voice in voices if voice.engine == engine])
            questions = self._evaluation_questions(kind == Kind.HELD_OUT_VOICE)
            for _ in range(_EVALUATION_CLIPS_BY_ENGINE):
                text, intent = next(questions)
                yield self._clip(text, next(of_engine), kind, intent)

    def held_out_sentences(self) -> Iterator[PlannedClip]:
        for text in self._texts.sentences_held_out:
            yield PlannedClip(Utterance(text, MOSHI), Kind.HELD_OUT_SENTENCE, NO_INTENT)
            for voices in (TRAINING_VOICES, HELD_OUT_VOICES):
                for engine in ENGINES:
                    of_engine = [voice for voice in voices if voice.engine == engine]
                    voice = of_engine[self._rng.integers(len(of_engine))]
                    yield self._clip(text, voice, Kind.HELD_OUT_SENTENCE, NO_INTENT)

    def sentences_in_further_voices(self) -> Iterator[PlannedClip]:
        yield from self._sentences(lambda: self._further_voices(_OTHER_TIMES_ABROAD))

    def _questions(self, asking: Voices, asking_other: Voices) -> Iterator[PlannedClip]:
        """Gives every question in the voices that ask it, each in other words."""
        known = [
            (text, asking, intent)
            for intent, told in enumerate(self._texts.intents)
            for text in told.asked
        ]
        other = [(text, asking_other, len(self._texts.intents)) for text in self._texts.other]
        for text, voices, intent in (*known, *other):
            for voice in voices():
                said = self._phrasing.varied(text, self._rng)
                yield self._clip(said, voice, Kind.TRAINING_QUESTION, intent)

    def _sentences(self, saying: Voices) -> Iterator[PlannedClip]:
        for text in self._texts.sentences:
            for voice in saying():
                yield self._clip(text, voice, Kind.TRAINING_SENTENCE, NO_INTENT)

    def _evaluation_questions(self, from_training: bool) -> Iterator[tuple[str, int]]:
        intents = [
            self._in_turn(intent.asked if from_training else intent.held_out)
            for intent in self._texts.intents
        ]
        other = self._in_turn(self._texts.other if from_training else self._texts.other_held_out)
        intent_order = self._in_turn(range(len(intents)))
        while True:
            if self._rng.random() < _EVALUATION_OTHER_SHARE:
                yield next(other), len(intents)
            else:
                intent = next(intent_order)
                yield next(intents[intent]), intent

    def _voices(self, espeak_times: int, other_times: tuple[int, ...]) -> Iterator[Voice]:
        for _ in range(espeak_times):
            yield next(self._espeak_voices)
        for voice, times in zip(OTHER_TRAINING_VOICES, other_times, strict=True):
            for _ in range(times):
                yield voice

    def _further_voices(self, times_abroad: int) -> Iterator[Voice]:
        for _ in range(times_abroad):
            yield next(self._voices_abroad)
        yield from islice(self._hmm_voices, _TIMES_HMM)
        yield from (*PICO_VOICES, HEART)
        if voice := next(self._kokoro_or_none):
            yield voice

    def _in_turn(self, things: Sequence[_T]) -> Iterator[_T]:
        """Gives the things in a random order, again and again."""
        return cycle([things[i] for i in self._rng.permutation(len(things))])

    def _clip(self, text: str, voice: Voice, kind: Kind, intent: int) -> PlannedClip:
        is_espeak = voice.engine == "espeak"
        rate = self._rng.uniform(*(_ESPEAK_RATES if is_espeak else _RATES))
        pitch = self._rng.uniform(*(_ESPEAK_PITCHES if is_espeak else _PITCHES))
        seed = int(self._rng.integers(2**31))
        utterance = Utterance(text, voice, round(rate, 4), round(pitch, 4), seed)
        return PlannedClip(utterance, kind, intent)
