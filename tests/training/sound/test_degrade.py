"""A voice on its way keeps its place in time, and what was done to it is known."""

import numpy as np
import pytest
from kaiwa_training.sound import degrade as degrading
from kaiwa_training.sound.degrade import (
    SPEECH_RMS,
    Degraded,
    Samples,
    degrade,
    random_speed,
    warp,
)

SECOND = 24_000
SPEECH = slice(SECOND // 2, SECOND)


def tone(hz: float, count: int = SECOND) -> Samples:
    wave = SPEECH_RMS * np.sqrt(2) * np.sin(2 * np.pi * hz * np.arange(count) / SECOND)
    return wave.astype(np.float32)


def voice() -> Samples:
    """Silence, half a second of sound at the level of speech, silence."""
    samples = np.zeros(3 * SECOND // 2, np.float32)
    samples[SPEECH] = tone(700, SECOND // 2)
    return samples


def many(hard: float, seeds: range = range(60)) -> list[Degraded]:
    return [degrade(voice(), np.random.default_rng(seed), hard=hard) for seed in seeds]


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def gain_db(sound: Degraded) -> float:
    return 20 * np.log10(rms(sound.clean) / rms(voice()))


def pitch_hz(samples: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8 * SECOND))
    return float(spectrum.argmax() / 8)


@pytest.mark.parametrize("speed", [0.9, 1.0, 1.15])
def test_a_faster_voice_is_shorter_and_higher(speed: float) -> None:
    warped = warp(tone(440), speed)
    assert warped.dtype == np.float32
    assert len(warped) == round(SECOND / speed)
    assert pitch_hz(warped) == pytest.approx(440 * speed, rel=2e-3)


def test_what_sounds_at_a_time_sounds_at_that_time_by_the_speed() -> None:
    click = np.zeros(1_000, np.float32)
    click[500] = 1.0
    assert int(warp(click, 1.25).argmax()) == 400
    assert int(warp(click, 0.8).argmax()) == 625


def test_speeds_are_as_often_slow_as_fast_and_leave_the_voice_human() -> None:
    rng = np.random.default_rng(1)
    speeds = [random_speed(rng) for _ in range(500)]
    assert 0.86 <= min(speeds) < 0.87 and 1.17 < max(speeds) <= 1.18
    assert 0.98 < np.median(speeds) < 1.03


def test_without_hardness_only_the_level_changes() -> None:
    found = many(hard=0.0)
    for sound in found:
        np.testing.assert_array_equal(sound.heard, sound.clean)
        np.testing.assert_allclose(sound.heard, voice() * 10 ** (gain_db(sound) / 20), atol=1e-6)
        assert sound.noise_rms == 0
    gains = [gain_db(sound) for sound in found]
    assert -12 <= min(gains) < -10 and 7 < max(gains) <= 9


def test_the_same_generator_degrades_alike() -> None:
    one, same = many(1.0, range(6)), many(1.0, range(6))
    for sound, again in zip(one, same, strict=True):
        np.testing.assert_array_equal(sound.heard, again.heard)
    assert not np.array_equal(one[0].heard, one[1].heard)


def test_degraded_speech_is_as_long_as_before_and_no_louder_than_full_scale() -> None:
    for sound in many(1.0):
        assert sound.heard.dtype == sound.clean.dtype == np.float32
        assert sound.heard.shape == sound.clean.shape == voice().shape
        assert np.abs(sound.heard).max() <= 1


def test_most_of_the_time_there_is_noise_over_all_of_it_as_loud_as_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for other in ("_telephone", "_reverberate"):
        monkeypatch.setattr(degrading, other, lambda samples, rng: samples)
    found = many(1.0)
    whole = [sound for sound in found if np.abs(sound.heard).max() < 1]
    assert len(whole) > 0.9 * len(found), "few are clipped"
    for sound in whole:
        noise = sound.heard - sound.clean
        assert rms(noise) == pytest.approx(sound.noise_rms, rel=1e-3)
        assert bool(noise[:100].any()) == bool(noise[-100:].any()) == (sound.noise_rms > 0)
    assert 43 <= sum(sound.noise_rms > 0 for sound in found) <= 58


@pytest.mark.parametrize(("hard", "least_db", "most_db"), [(1.0, 8, 46), (0.5, 13, 51)])
def test_noise_is_weaker_than_speech_by_so_much(
    hard: float, least_db: float, most_db: float
) -> None:
    ratios_db = []
    for seed in range(90):
        sound = degrade(voice(), np.random.default_rng(seed), hard=hard)
        if sound.noise_rms > 0:
            speech = rms(sound.clean[SPEECH])
            ratios_db.append(20 * np.log10(speech / sound.noise_rms))
    assert least_db - 0.1 <= min(ratios_db) < least_db + 4
    assert most_db - 4 < max(ratios_db) <= most_db + 0.1


def test_what_should_not_be_heard_is_not_in_the_clean_clip() -> None:
    for sound in many(1.0):
        quiet = np.r_[sound.clean[: SPEECH.start - 5_000], sound.clean[SPEECH.stop + 5_000 :]]
        assert rms(quiet) < 0.02 * rms(sound.clean[SPEECH])


def test_an_equalizer_changes_the_colour_and_not_the_level() -> None:
    mixed = tone(200) + tone(4_000)
    shares = set()
    for seed in range(10):
        shaped = degrading._equalize(mixed, np.random.default_rng(seed))
        assert rms(shaped) == pytest.approx(rms(mixed), rel=1e-3)
        spectrum = np.abs(np.fft.rfft(shaped))
        shares.add(round(float(np.log2(spectrum[200] / spectrum[4_000])), 1))
    assert len(shares) >= 8 and max(shares) > 0.5 and min(shares) < -0.5


def test_a_room_answers_after_the_sound_and_dies_away() -> None:
    click = np.zeros(SECOND, np.float32)
    click[5_000] = 1.0
    for seed in range(5):
        heard = degrading._reverberate(click, np.random.default_rng(seed))
        assert np.abs(heard[:5_000]).max() < 1e-6
        assert int(np.abs(heard).argmax()) == 5_000
        early, late = rms(heard[5_001:6_000]), rms(heard[5_000 + int(0.4 * SECOND) :])
        assert early > 100 * late


def test_a_telephone_leaves_the_middle_of_the_voice() -> None:
    for seed in range(5):
        low, middle, high = (
            rms(degrading._telephone(tone(hz), np.random.default_rng(seed)))
            for hz in (30, 1_500, 11_000)
        )
        assert middle == pytest.approx(SPEECH_RMS, rel=0.1)
        assert max(low, high) < 0.3 * middle
