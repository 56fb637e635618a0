"""A shard: a few hundred clips made in one process of their own and kept in one file.

Each shard starts its engine afresh, because engines carry state from one utterance to the next
and a corpus must not depend on which process made which clip.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kaiwa_training.speech.clip import make_clip
from kaiwa_training.speech.espeak import Espeak
from kaiwa_training.speech.festival import Festival
from kaiwa_training.speech.flite import Flite
from kaiwa_training.speech.hmm import Hmm
from kaiwa_training.speech.neural import Neural
from kaiwa_training.speech.pico import Pico
from kaiwa_training.speech.plan import PlannedClip
from kaiwa_training.speech.speech import Engine
from kaiwa_training.texts.texts import words_of

CLIPS_PER_SHARD = 300


@dataclass(frozen=True)
class Shard:
    """Clips of one engine, and the file that holds them once they are made."""

    clips: tuple[PlannedClip, ...]
    path: Path


def plan_shards(clips: tuple[PlannedClip, ...], folder: Path) -> tuple[Shard, ...]:
    """Gives the shards of clips that lie engine by engine, named by what they hold."""
    shards: list[Shard] = []
    for engine in dict.fromkeys(clip.utterance.voice.engine for clip in clips):
        of_engine = tuple(clip for clip in clips if clip.utterance.voice.engine == engine)
        for first in range(0, len(of_engine), CLIPS_PER_SHARD):
            part = of_engine[first : first + CLIPS_PER_SHARD]
            name = hashlib.sha256(repr(part).encode()).hexdigest()[:16]
            shards.append(Shard(part, folder / f"{len(shards):04}-{name}.npz"))
    return tuple(shards)


def make_shard(shard: Shard) -> int:
    """Makes the shard's file unless it is there, and gives its number of clips."""
    if not shard.path.exists():
        # A name of its own until it is whole, so that a broken run leaves no half shard.
        partial = shard.path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **_arrays(shard))
        partial.rename(shard.path)
    return len(shard.clips)


def _engine(name: str) -> Engine:
    engines: dict[str, Callable[[], Engine]] = {
        "espeak": Espeak,
        "flite": Flite,
        "festival": Festival,
        "pico": Pico,
        "neural": Neural,
        "hmm": Hmm,
    }
    return engines[name]()


def _arrays(shard: Shard) -> dict[str, NDArray[np.generic]]:
    """Gives pcm and phones back to back, their lengths, and the words as (clip, start, end)."""
    engine = _engine(shard.clips[0].utterance.voice.engine)
    pcm, phones, words = [], [], []
    spoken: list[str] = []
    for place, speech in enumerate(engine.say([clip.utterance for clip in shard.clips])):
        clip = make_clip(speech)
        pcm.append(clip.pcm)
        phones.append(clip.phones)
        for word, start, end in clip.words:
            words.append((place, start, end))
            spoken += words_of(word)
    return {
        "pcm": np.concatenate(pcm),
        "pcm_lengths": np.array([len(part) for part in pcm], np.int64),
        "phones": np.concatenate(phones),
        "phones_lengths": np.array([len(part) for part in phones], np.int64),
        "words": np.array(words, np.int32).reshape(-1, 3),
        "spoken": np.array(spoken, np.str_),
    }
