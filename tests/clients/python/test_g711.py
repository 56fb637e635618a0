import warnings
from collections.abc import Callable

import numpy as np
import pytest
from kaiwa.g711 import G711, Law
from numpy.typing import NDArray

with warnings.catch_warnings():
    # An independent implementation: part of Python up to 3.12, the package audioop-lts after it.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

ENCODERS = {"mulaw": audioop.lin2ulaw, "alaw": audioop.lin2alaw}
DECODERS = {"mulaw": audioop.ulaw2lin, "alaw": audioop.alaw2lin}
Convert = Callable[[bytes, int], bytes]

LAWS = pytest.mark.parametrize("law", ["mulaw", "alaw"])
EVERY_BYTE = bytes(range(256))
EVERY_INTEGER = np.arange(-32_768, 32_768)


def sine(loudness: float) -> NDArray[np.float32]:
    return (loudness * np.sin(2 * np.pi * 1013 * np.arange(8_000) / 8_000)).astype(np.float32)


def snr_db(law: Law, sound: NDArray[np.float32]) -> float:
    coding = G711(law)
    noise = coding.decode(coding.encode(sound)) - sound
    return float(10 * np.log10((sound**2).sum() / (noise**2).sum()))


@LAWS
def test_every_sample_is_written_as_by_others(law: Law) -> None:
    # The integer that a float becomes is the one that it was made of.
    data = G711(law).encode((EVERY_INTEGER / 32_767).astype(np.float32))
    assert data == ENCODERS[law](EVERY_INTEGER.clip(-32_767).astype("<i2").tobytes(), 2)


@LAWS
def test_every_byte_is_read_as_by_others(law: Law) -> None:
    samples = G711(law).decode(EVERY_BYTE)
    assert samples.dtype == np.float32
    assert (samples * 32_768).astype("<i2").tobytes() == DECODERS[law](EVERY_BYTE, 2)


@LAWS
@pytest.mark.parametrize(("loudness", "least_db"), [(0.5, 36), (0.05, 36), (0.005, 24)])
def test_the_noise_follows_the_loudness(law: Law, loudness: float, least_db: float) -> None:
    assert snr_db(law, sine(loudness)) > least_db


@LAWS
def test_what_is_read_is_written_as_the_same_byte_again(law: Law) -> None:
    coding = G711(law)
    again = coding.encode(coding.decode(EVERY_BYTE))
    # Mu-law has a zero of either sign.
    assert again == (EVERY_BYTE.replace(b"\x7f", b"\xff") if law == "mulaw" else EVERY_BYTE)


@LAWS
def test_what_is_too_loud_is_clipped_and_never_wraps(law: Law) -> None:
    coding = G711(law)
    loud = np.array([-9.0, -1.0, 1.0, 9.0], np.float32)
    low, least, most, high = coding.decode(coding.encode(loud))
    assert low == least < -0.95 and high == most > 0.95
