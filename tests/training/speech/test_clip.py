"""A clip is trimmed, of one loudness, and labelled every 10 ms."""

import numpy as np
import pytest
from kaiwa_training.speech.clip import SAMPLES_PER_LABEL, SPEECH_RMS, make_clip
from kaiwa_training.speech.phones import SILENCE, UNKNOWN
from kaiwa_training.speech.speech import SAMPLE_RATE_HZ, Speech

START_S, END_S = 0.5, 1.5


def tone(*, labelled: bool = True) -> Speech:
    """A tone from 0.5 to 1.5 s of two seconds, as one phone and one word."""
    at_s = np.arange(2 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    loud = (at_s >= START_S) & (at_s < END_S)
    samples = np.where(loud, 0.3 * np.sin(2 * np.pi * 200 * at_s), 0).astype(np.float32)
    if not labelled:
        return Speech(samples, (), ())
    return Speech(samples, ((9, START_S, END_S),), (("Hello,", START_S, END_S),))


def test_at_most_20_ms_are_left_around_the_speech() -> None:
    seconds = len(make_clip(tone()).pcm) / SAMPLE_RATE_HZ
    assert END_S - START_S <= seconds <= END_S - START_S + 0.04


def test_speech_has_one_loudness() -> None:
    pcm = make_clip(tone()).pcm / 32768
    assert np.sqrt(np.mean(pcm[2400:-2400] ** 2)) == pytest.approx(SPEECH_RMS, rel=0.02)


def test_there_is_a_phone_for_each_10_ms() -> None:
    clip = make_clip(tone())
    assert len(clip.phones) == -(-len(clip.pcm) // SAMPLES_PER_LABEL)
    assert set(clip.phones[:2]) == {SILENCE}
    assert set(clip.phones[2:102]) == {9}


def test_noise_in_the_engines_pauses_is_no_speech() -> None:
    spoken = tone()
    noisy = spoken.samples.copy()
    noisy[:4800] = noisy[-4800:] = 0.05
    breathing = Speech(noisy, spoken.phones, spoken.words)
    np.testing.assert_array_equal(make_clip(breathing).pcm, make_clip(spoken).pcm)


def test_words_move_with_the_trimming() -> None:
    assert make_clip(tone()).words == (("Hello,", 2, 102),)


def test_speech_without_phones_is_unknown_throughout() -> None:
    assert set(make_clip(tone(labelled=False)).phones) == {UNKNOWN}


def test_silence_is_no_clip() -> None:
    with pytest.raises(ValueError, match="silent"):
        make_clip(Speech(np.zeros(24_000, np.float32), (), ()))
