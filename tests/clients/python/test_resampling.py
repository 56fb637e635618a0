import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kaiwa.resampling import Resampler
from numpy.typing import NDArray

RATES_HZ = (8_000, 16_000, 48_000)
PAIRS = [pair for rate in RATES_HZ for pair in ((rate, 24_000), (24_000, rate))]
EVERY_PAIR = pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)


def tone(hz: float, rate_hz: int, samples: int) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(samples) / rate_hz)).astype(np.float32)


def level_db(samples: NDArray[np.float32]) -> float:
    """Against the tone's own level; the first 50 ms, in which it begins, are left out."""
    return float(20 * np.log10(np.sqrt((samples**2).mean()) / (0.5 / np.sqrt(2)) + 1e-12))


def resampled(hz: float, from_hz: int, to_hz: int) -> NDArray[np.float32]:
    return Resampler(from_hz, to_hz).resample(tone(hz, from_hz, from_hz // 2))[to_hz // 20 :]


@EVERY_PAIR
@pytest.mark.parametrize("part", [0.02, 0.25, 0.5, 0.85])
def test_what_both_rates_can_carry_keeps_its_level(from_hz: int, to_hz: int, part: float) -> None:
    hz = part * min(from_hz, to_hz) / 2
    assert level_db(resampled(hz, from_hz, to_hz)) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(24_000, 8_000), (24_000, 16_000), (48_000, 24_000)]
)
@pytest.mark.parametrize("part", [1.001, 1.1, 1.25, 1.45])
def test_what_the_lower_rate_cannot_carry_is_gone(from_hz: int, to_hz: int, part: float) -> None:
    assert level_db(resampled(part * to_hz / 2, from_hz, to_hz)) < -58


@EVERY_PAIR
def test_a_tone_is_the_same_tone_later_by_the_delay_and_nothing_else(
    from_hz: int, to_hz: int
) -> None:
    resampler = Resampler(from_hz, to_hz)
    heard = resampler.resample(tone(1_000, from_hz, from_hz // 2))
    assert resampler.delay_s == pytest.approx(24 / min(from_hz, to_hz))
    times_s = np.arange(len(heard)) / to_hz - resampler.delay_s
    wanted = 0.5 * np.sin(2 * np.pi * 1_000 * times_s)
    assert level_db((heard - wanted)[to_hz // 20 :]) < -58


@EVERY_PAIR
@settings(deadline=None)
@given(pieces=st.lists(st.integers(0, 700), max_size=8), seed=st.integers(0, 2**32 - 1))
def test_pieces_of_any_size_equal_the_whole(
    from_hz: int, to_hz: int, pieces: list[int], seed: int
) -> None:
    sound = np.random.default_rng(seed).uniform(-1, 1, sum(pieces)).astype(np.float32)
    whole, in_pieces = Resampler(from_hz, to_hz), Resampler(from_hz, to_hz)
    cut = [in_pieces.resample(piece) for piece in np.split(sound, np.cumsum(pieces))]
    assert np.array_equal(np.concatenate(cut), whole.resample(sound))


@EVERY_PAIR
def test_every_frame_of_80_ms_stays_80_ms_so_that_an_hour_is_an_hour(
    from_hz: int, to_hz: int
) -> None:
    resampler, frame = Resampler(from_hz, to_hz), np.zeros(from_hz * 80 // 1000, np.float32)
    lengths = {len(resampler.resample(frame)) for _ in range(1_000)}
    assert lengths == {to_hz * 80 // 1000}


@EVERY_PAIR
@settings(deadline=None)
@given(pieces=st.lists(st.integers(1, 4_000), max_size=20))
def test_as_much_comes_out_at_any_time_as_has_gone_in(
    from_hz: int, to_hz: int, pieces: list[int]
) -> None:
    resampler, gone_in, come_out = Resampler(from_hz, to_hz), 0, 0
    for samples in pieces:
        come_out += len(resampler.resample(np.zeros(samples, np.float32)))
        gone_in += samples
        assert come_out == -(-gone_in * to_hz // from_hz)


@EVERY_PAIR
def test_full_scale_is_not_exceeded(from_hz: int, to_hz: int) -> None:
    square = np.sign(tone(50, from_hz, from_hz // 10) + 1e-6).astype(np.float32)
    assert np.abs(Resampler(from_hz, to_hz).resample(square)).max() == 1.0


def test_equal_rates_leave_sound_as_it_is() -> None:
    resampler, sound = Resampler(24_000, 24_000), tone(1_000, 24_000, 480)
    assert resampler.resample(sound) is sound and resampler.delay_s == 0
