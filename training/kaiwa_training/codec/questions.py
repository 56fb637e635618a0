"""Makes what the LM's training hears: questions, each time through another room and line."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from kaiwa_server.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from kaiwa_server.models.mimi import Mimi
from numpy.typing import NDArray

from kaiwa_training.codec.encoding import encode, whole_frames
from kaiwa_training.lm.stores import NO_WORD, BackgroundStore, QuestionStore
from kaiwa_training.sound.degrade import another_voice, degrade
from kaiwa_training.sound.line import through_opus
from kaiwa_training.sound.noise import any_noise
from kaiwa_training.speech.clips import meanings_of, speech_of, spoken_until_s
from kaiwa_training.speech.corpus import Corpus

LEAD_FRAMES, TAIL_FRAMES = 0, 8
"""How much of what is around the speech is kept: before it nothing, as its tokens are those of a
call's start, which no later question follows."""

HEARD_BEFORE_FRAMES = (12, 20)
"""How long a call has lasted: by then the encoder has all but forgotten its start."""

Samples = NDArray[np.float32]

CONDITIONS_FROM_RMS = (1e-9, 7e-4, 3e-3)
"""From which noise on a condition begins; below the first it is silence."""

BACKGROUND_FRAMES = 320
FAINTEST_RMS, LOUDEST_RMS = 1e-4, 4e-2


@dataclass(frozen=True)
class Heard:
    """Speech on its line, [1920 * T]: how much comes before it, and the noise's condition."""

    samples: Samples
    lead_samples: int
    condition: int


def condition_of(noise_rms: float) -> int:
    """Which condition a noise makes: 0 for silence, more for louder."""
    return sum(noise_rms >= least for least in CONDITIONS_FROM_RMS)


def on_a_line(speech: Samples, rng: np.random.Generator, *, hard: float) -> Heard:
    """Puts speech [n] into a call, at any place of a frame; `hard` as in `degrade`."""
    lead = int(rng.integers(*HEARD_BEFORE_FRAMES)) * FRAME_SAMPLES
    lead += int(rng.integers(FRAME_SAMPLES))
    tail = (TAIL_FRAMES + 1) * FRAME_SAMPLES
    silent = (np.zeros(lead, np.float32), np.zeros(tail, np.float32))
    sound = degrade(whole_frames(np.concatenate((silent[0], speech, silent[1]))), rng, hard=hard)
    heard = sound.heard
    if hard > 0 and rng.random() < 0.3:
        heard = through_opus(heard, int(rng.choice([12_000, 16_000, 24_000, 32_000])))
    return Heard(heard, lead, condition_of(sound.noise_rms))


def make_questions(
    mimi: Mimi,
    corpus: Corpus,
    names: Sequence[str],
    clips: NDArray[np.int64],
    *,
    seed: int,
    hard: float,
) -> QuestionStore:
    """Encodes clips, each once on a line of its own; `names` are those of the intents' replies."""
    rng = np.random.default_rng(seed)
    speeds, heard = [], []
    for clip in clips:
        speech, speed = speech_of(corpus, int(clip)), 1.0
        if hard > 0:
            speech, speed = another_voice(speech, rng)
        speeds.append(speed)
        heard.append(on_a_line(speech, rng, hard=hard))
    codes = encode(mimi, [question.samples for question in heard])
    kept, words, ends = [], [], []
    for clip, speed, question, told in zip(clips, speeds, heard, codes, strict=True):
        start = question.lead_samples // FRAME_SAMPLES - LEAD_FRAMES
        # Where the last word ends: some voices leave a little silence after it.
        end_s = spoken_until_s(corpus, int(clip)) / speed
        end = (question.lead_samples + int(end_s * SAMPLE_RATE_HZ)) // FRAME_SAMPLES
        piece = slice(start, end + TAIL_FRAMES + 1)
        lead_s = question.lead_samples / SAMPLE_RATE_HZ
        kept.append(told[:, piece])
        words.append(_words(corpus.words(int(clip)), lead_s, speed, told.shape[1])[piece])
        ends.append(end - start)
    lengths = np.array([told.shape[1] for told in kept])
    return QuestionStore(
        codes=np.concatenate(kept, axis=1),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        condition=np.array([question.condition for question in heard]),
        intent=np.array(names)[meanings_of(corpus)[clips]],
        speech_end_frame=np.array(ends),
        text=corpus.clips["text"][clips],
        voice=corpus.clips["voice"][clips],
        words=np.concatenate(words),
    )


def _words(spoken: NDArray[np.void], lead_s: float, speed: float, frames: int) -> NDArray[np.int16]:
    """The word [T] that ends in each frame."""
    words = np.full(frames, NO_WORD, np.int16)
    ends = (lead_s + spoken["end_cs"] / 100 / speed) * SAMPLE_RATE_HZ / FRAME_SAMPLES
    words[ends.astype(np.int64)] = spoken["word"]
    return words


def make_backgrounds(mimi: Mimi, *, seed: int, each: int) -> BackgroundStore:
    """Encodes stretches of every condition in which nobody speaks."""
    rng = np.random.default_rng(seed)
    count = BACKGROUND_FRAMES * FRAME_SAMPLES
    edges = (*CONDITIONS_FROM_RMS, LOUDEST_RMS)
    sounds, conditions = [np.zeros(count, np.float32)], [0]
    for condition in range(1, len(edges)):
        for _ in range(each):
            low, high = max(edges[condition - 1], FAINTEST_RMS), edges[condition]
            rms = np.exp(rng.uniform(np.log(low), np.log(high)))
            sounds.append((any_noise(count, rng) * rms).astype(np.float32))
            conditions.append(condition)
    codes = encode(mimi, sounds)
    return BackgroundStore(
        codes=np.concatenate(codes, axis=1),
        starts=np.arange(len(codes)) * BACKGROUND_FRAMES,
        lengths=np.full(len(codes), BACKGROUND_FRAMES),
        condition=np.array(conditions),
    )
