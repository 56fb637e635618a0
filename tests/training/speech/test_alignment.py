"""Another recording of the same text gets the times of the first."""

import numpy as np
import pytest
from kaiwa_training.speech.alignment import carried_over
from kaiwa_training.speech.phones import SILENCE
from kaiwa_training.speech.speech import SAMPLE_RATE_HZ, Speech, Timed

LENGTHS_S = (0.2, 0.3, 0.25, 0.15, 0.3)
TONES_HZ = (0.0, 400.0, 1500.0, 700.0, 0.0)
PHONES = (SILENCE, 5, 9, 7, SILENCE)


def spoken(stretch: tuple[float, ...] = (1.0,) * 5) -> Speech:
    """Tones as phones between silences, each as much longer as `stretch` says."""
    phones: list[Timed] = []
    parts, start_s = [], 0.0
    for phone, hz, length_s, by in zip(PHONES, TONES_HZ, LENGTHS_S, stretch, strict=True):
        times_s = np.arange(round(length_s * by * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        parts.append(sum(np.sin(2 * np.pi * hz * n * times_s) / n for n in (1, 2, 3)))
        end_s = start_s + len(times_s) / SAMPLE_RATE_HZ
        phones.append((phone, start_s, end_s))
        start_s = end_s
    samples = np.concatenate(parts).astype(np.float32) * 0.3
    return Speech(samples, tuple(phones), (("word", phones[1][1], phones[3][2]),))


def test_a_recording_keeps_its_own_times() -> None:
    speech = spoken()
    moved = carried_over(speech, speech.samples)
    np.testing.assert_allclose(moved.phones, speech.phones, atol=0.006)
    assert moved.words[0][1:] == pytest.approx(speech.words[0][1:], abs=0.006)


def test_times_follow_a_slower_and_a_faster_speaker() -> None:
    there = spoken((0.5, 1.4, 0.7, 1.5, 1.0))
    moved = carried_over(spoken(), there.samples)
    np.testing.assert_allclose(moved.phones, there.phones, atol=0.03)
    assert moved.words[0][0] == "word"
    assert moved.words[0][1:] == pytest.approx(there.words[0][1:], abs=0.03)


def test_phones_stay_in_order_and_inside_the_recording() -> None:
    rng = np.random.default_rng(0)
    unlike = rng.standard_normal(SAMPLE_RATE_HZ // 3).astype(np.float32)
    moved = carried_over(spoken(), unlike)
    edges = [edge for _, start_s, end_s in moved.phones for edge in (start_s, end_s)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= len(unlike) / SAMPLE_RATE_HZ
