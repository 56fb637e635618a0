"""What a training wants of a corpus' clips."""

import numpy as np
from numpy.typing import NDArray

from kaiwa_training.speech.corpus import Corpus
from kaiwa_training.speech.plan import Kind
from kaiwa_training.speech.speech import SAMPLE_RATE_HZ


def speech_of(corpus: Corpus, clip: int) -> NDArray[np.float32]:
    """A clip's samples [n] in [-1, 1]."""
    return corpus.samples(clip).astype(np.float32) / np.float32(32768)


def spoken_until_s(corpus: Corpus, clip: int) -> float:
    """Where in a clip its last word ends, or all of it if its words are not known."""
    words = corpus.words(clip)
    end_s = len(corpus.samples(clip)) / SAMPLE_RATE_HZ
    return min(end_s, float(words["end_cs"][-1]) / 100) if len(words) else end_s


def meanings_of(corpus: Corpus) -> NDArray[np.int64]:
    """The place in `Texts.replies()` of what answers each clip; -1 for what Moshi itself says.

    A sentence that is no question is not understood.
    """
    meanings = corpus.clips["intent"].astype(np.int64)
    not_understood = meanings[corpus.of_kind(Kind.TRAINING_QUESTION)].max()
    meanings[corpus.of_kind(Kind.TRAINING_SENTENCE)] = not_understood
    meanings[corpus.of_kind(Kind.MOSHI_REPLY, Kind.MOSHI_SENTENCE)] = -1
    return meanings
