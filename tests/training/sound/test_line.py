"""An Opus line gives the voice back, a little later and a little worse."""

import numpy as np
import pytest
from kaiwa.opus import OpusEncoder, OpusNotInstalled
from kaiwa_training.sound.line import through_opus
from numpy.typing import NDArray

SECOND = 24_000


@pytest.fixture(scope="module")
def lookahead() -> int:
    try:
        return OpusEncoder(SECOND).lookahead_samples
    except OpusNotInstalled as error:
        pytest.skip(str(error))


def voice(count: int = SECOND) -> NDArray[np.float32]:
    """A tone that swells twice in a second."""
    at_s = np.arange(count) / SECOND
    tone = 0.2 * np.sin(2 * np.pi * 300 * at_s) * np.sin(2 * np.pi * at_s) ** 2
    return tone.astype(np.float32)


def likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.dot(one, other) / np.sqrt(np.dot(one, one) * np.dot(other, other)))


@pytest.mark.parametrize("count", [SECOND, 1_920, 1_000])
def test_what_comes_out_is_as_long_as_what_went_in(lookahead: int, count: int) -> None:
    heard = through_opus(voice(count), 16_000)
    assert heard.shape == (count,) and heard.dtype == np.float32


@pytest.mark.parametrize("bitrate_bps", [12_000, 32_000])
def test_the_voice_comes_through_a_little_later(lookahead: int, bitrate_bps: int) -> None:
    sent, heard = voice(), through_opus(voice(), bitrate_bps)
    lags = range(0, 3 * lookahead, lookahead // 6)
    best = max(lags, key=lambda lag: likeness(sent[: SECOND - lag], heard[lag:]))
    assert best == lookahead
    assert 0.9 < likeness(sent[: SECOND - best], heard[best:]) < 0.999999


def test_fewer_bits_leave_less_of_the_voice(lookahead: int) -> None:
    noise = (0.1 * np.random.default_rng(1).standard_normal(SECOND)).astype(np.float32)
    sent = voice() + noise
    few, many = (
        likeness(sent[: SECOND - lookahead], through_opus(sent, bitrate)[lookahead:])
        for bitrate in (12_000, 64_000)
    )
    assert few < many - 0.1


def test_a_line_remembers_nothing_of_the_call_before(lookahead: int) -> None:
    np.testing.assert_array_equal(through_opus(voice(), 16_000), through_opus(voice(), 16_000))
