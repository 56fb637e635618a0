"""A clip as it lies in the corpus: trimmed to its speech, at one loudness, with its labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kaiwa_training.speech.phones import SILENCE, UNKNOWN
from kaiwa_training.speech.speech import SAMPLE_RATE_HZ, Speech

SPEECH_RMS = 0.07
LABELS_HZ = 100
SAMPLES_PER_LABEL = SAMPLE_RATE_HZ // LABELS_HZ

_BLOCK_SAMPLES = SAMPLE_RATE_HZ // 200  # 5 ms
_MARGIN_BLOCKS = 4  # 20 ms
_SLACK_S = 0.03  # how far the engines' times may be off
_SPEECH_DB = -40.0  # against the loudest block; engines' pauses are below -48 dB


@dataclass(frozen=True)
class Clip:
    """`pcm` [n] is 16-bit at 24 kHz, `phones` [ceil(n / 240)] one phone for each 10 ms.

    `words` are (word, first label, label after the last).
    """

    pcm: NDArray[np.int16]
    phones: NDArray[np.uint8]
    words: tuple[tuple[str, int, int], ...]


def make_clip(speech: Speech) -> Clip:
    """Gives a clip of speech, with at most 20 ms before and after it.

    Raises:
        ValueError: the speech is silent.
    """
    first, last, rms = _extent(_spoken(speech))
    samples = speech.samples[first:last]
    scaled = np.clip(np.round(samples * (SPEECH_RMS / rms * 32767)), -32768, 32767)
    labels = -(-len(samples) // SAMPLES_PER_LABEL)
    return Clip(
        scaled.astype(np.int16),
        _phone_labels(speech, first / SAMPLE_RATE_HZ, labels),
        _word_labels(speech, first / SAMPLE_RATE_HZ, labels),
    )


def _spoken(speech: Speech) -> NDArray[np.float32]:
    """Gives the samples with silence before the first phone and after the last.

    The diphone voices breathe and click in their pauses, above what counts as loud.
    """
    spoken = [(start_s, end_s) for phone, start_s, end_s in speech.phones if phone != SILENCE]
    if not spoken:
        return speech.samples
    first = max(0, round((spoken[0][0] - _SLACK_S) * SAMPLE_RATE_HZ))
    last = round((spoken[-1][1] + _SLACK_S) * SAMPLE_RATE_HZ)
    samples = np.zeros_like(speech.samples)
    samples[first:last] = speech.samples[first:last]
    return samples


def _extent(samples: NDArray[np.float32]) -> tuple[int, int, float]:
    """Gives the first sample, the one after the last, and the rms of what is loud enough."""
    blocks = len(samples) // _BLOCK_SAMPLES
    cut = samples[: blocks * _BLOCK_SAMPLES].astype(np.float64)
    power = np.square(cut).reshape(blocks, _BLOCK_SAMPLES).mean(axis=1)  # [blocks]
    if blocks == 0 or power.max() == 0:
        raise ValueError("the speech is silent")
    loud = np.flatnonzero(power > power.max() * 10 ** (_SPEECH_DB / 10))
    first = max(0, loud[0] - _MARGIN_BLOCKS) * _BLOCK_SAMPLES
    last = min(blocks, loud[-1] + 1 + _MARGIN_BLOCKS) * _BLOCK_SAMPLES
    return int(first), int(last), float(np.sqrt(power[loud].mean()))


def _phone_labels(speech: Speech, lead_s: float, labels: int) -> NDArray[np.uint8]:
    """Gives the phone in the middle of each label; all UNKNOWN if the speech has no phones."""
    if not speech.phones:
        return np.full(labels, UNKNOWN, np.uint8)
    middles_s = lead_s + (np.arange(labels) + 0.5) / LABELS_HZ
    grid = np.full(labels, SILENCE, np.uint8)
    for phone, start_s, end_s in speech.phones:
        grid[(middles_s >= start_s) & (middles_s < end_s)] = phone
    return grid


def _word_labels(speech: Speech, lead_s: float, labels: int) -> tuple[tuple[str, int, int], ...]:
    timed = []
    for word, start_s, end_s in speech.words:
        start, end = (round((at_s - lead_s) * LABELS_HZ) for at_s in (start_s, end_s))
        timed.append((word, min(max(start, 0), labels - 1), min(max(end, 1), labels)))
    return tuple(timed)
