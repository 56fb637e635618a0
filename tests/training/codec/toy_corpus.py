"""A corpus on disk without voices: each word is a burst, whose sound says which phone it is."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from kaiwa_server.audio import SAMPLE_RATE_HZ
from kaiwa_training.speech.corpus import CLIP_FIELDS, WORD_FIELDS, Corpus
from kaiwa_training.speech.phones import UNKNOWN
from kaiwa_training.speech.plan import NO_INTENT, Kind
from kaiwa_training.speech.speech import Voice
from numpy.typing import NDArray

SAMPLES_PER_CS = SAMPLE_RATE_HZ // 100
LEVEL = 3000

TRAINING_KINDS = (
    Kind.TRAINING_QUESTION,
    Kind.TRAINING_SENTENCE,
    Kind.MOSHI_REPLY,
    Kind.MOSHI_SENTENCE,
)
HELD_OUT_KINDS = tuple(kind for kind in Kind if kind not in TRAINING_KINDS)
INTENTS = 2
"""Besides them there is what is not understood, intent 2; reply 3 is the greeting."""


@dataclass(frozen=True)
class Word:
    """A word of one phone: an odd phone is noise above zero, an even one noise below it."""

    phone: int
    length_cs: int


@dataclass(frozen=True)
class Clip:
    """Words without a gap between them, and silence after them."""

    kind: Kind
    intent: int
    words: tuple[Word, ...]
    silent_cs: int = 0
    foreign: bool = False


class WatchedCorpus(Corpus):
    """A corpus that knows which of its clips were listened to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.heard: list[int] = []

    def samples(self, clip: int) -> NDArray[np.int16]:
        """Gives a clip's samples, and remembers it."""
        self.heard.append(clip)
        return super().samples(clip)

    def kinds_heard(self) -> set[Kind]:
        """Gives the kinds of the clips that were listened to."""
        return {Kind(int(kind)) for kind in self.clips["kind"][self.heard]}


def write_corpus(folder: Path, clips: Sequence[Clip]) -> Path:
    """Writes clips as `speech.building` does; word n of the vocabulary is the one of phone n."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    rows, words = np.zeros(len(clips), CLIP_FIELDS), []
    pcm, phones = [], []
    for place, (row, clip) in enumerate(zip(rows, clips, strict=True)):
        row["pcm_start"], row["phones_start"] = sum(map(len, pcm)), sum(map(len, phones))
        row["kind"], row["intent"], row["text"] = clip.kind, clip.intent, place
        row["voice"] = place % 2
        silence = Word(0, clip.silent_cs)
        pcm.append(np.concatenate([_burst(word, rng) for word in (*clip.words, silence)]))
        spoken = [UNKNOWN if clip.foreign else word.phone for word in clip.words]
        lengths = [word.length_cs for word in clip.words]
        phones.append(np.repeat([*spoken, 0], [*lengths, clip.silent_cs]).astype(np.uint8))
        row["pcm_length"], row["phones_length"] = len(pcm[-1]), len(phones[-1])
        for word, end in zip(clip.words, np.cumsum(lengths), strict=True):
            if not clip.foreign:
                words.append((place, word.phone, end - word.length_cs, end))
    np.save(folder / "pcm.npy", np.concatenate(pcm))
    np.save(folder / "phones.npy", np.concatenate(phones))
    np.save(folder / "words.npy", np.array(words, WORD_FIELDS))
    np.save(folder / "clips.npy", rows)
    voices = [asdict(Voice("espeak", "en")), asdict(Voice("flite", "kal"))]
    _write(folder / "texts.json", [" ".join(f"w{w.phone}" for w in clip.words) for clip in clips])
    _write(folder / "voices.json", voices)
    _write(folder / "vocabulary.json", [f"w{phone}" for phone in range(12)])
    return folder


def small_corpus() -> list[Clip]:
    """A few clips of each kind, each intent with words of its own."""
    clips = []
    for kind in Kind:
        for place in range(2 * (INTENTS + 1)):
            intent = place % (INTENTS + 1)
            words = (Word(1 + intent, 14 + place), Word(6 - intent, 12), Word(7, 10 + place))
            silent = kind in (Kind.TRAINING_SENTENCE, Kind.MOSHI_SENTENCE, Kind.HELD_OUT_SENTENCE)
            clips.append(Clip(kind, NO_INTENT if silent else intent, words))
    clips.append(Clip(Kind.MOSHI_REPLY, INTENTS + 1, (Word(3, 20), Word(8, 25))))
    foreign = Clip(Kind.TRAINING_QUESTION, INTENTS, (Word(5, 30), Word(6, 20)), foreign=True)
    return [*clips, foreign]


def _burst(word: Word, rng: np.random.Generator) -> NDArray[np.int16]:
    count = word.length_cs * SAMPLES_PER_CS
    if word.phone == 0:
        return np.zeros(count, np.int16)
    noise = rng.uniform(0.5, 1.5, count) * LEVEL
    return (noise if word.phone % 2 else -noise).astype(np.int16)


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
