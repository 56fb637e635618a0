import numpy as np
import pytest
from kaiwa.opus import OpusEncoder
from kaiwa_server.gateway.concealment import Concealment
from kaiwa_server.gateway.formats import OggOpusDecoder, OggOpusEncoder, OpusPacketDecoder
from numpy.typing import NDArray

FRAME = np.full(1920, 0.5, np.float32)
TONE = (0.3 * np.sin(2 * np.pi * 220 * np.arange(24_000) / 24_000)).astype(np.float32)


def rms(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt((samples**2).mean()))


def largest_jump(*frames: NDArray[np.float32]) -> float:
    return float(np.abs(np.diff(np.concatenate(frames))).max())


def test_sound_without_a_gap_is_passed_on_as_it_is() -> None:
    concealment = Concealment(None)
    assert concealment.pass_on(FRAME) is FRAME


def test_a_gap_in_a_format_without_concealment_is_silent_without_a_click() -> None:
    concealment = Concealment(None)
    frames = [concealment.pass_on(FRAME), concealment.fill(), concealment.fill()]
    frames.append(concealment.pass_on(FRAME))
    assert not frames[1][120:].any() and not frames[2].any()
    assert np.array_equal(frames[3][120:], FRAME[120:])
    assert largest_jump(*frames) < 0.01


def test_a_gap_is_guessed_at_for_240_ms_and_fades_into_silence() -> None:
    asked = []

    def guess(samples: int) -> NDArray[np.float32]:
        asked.append(samples)
        return np.full(samples, 0.25, np.float32)

    concealment = Concealment(guess)
    concealment.pass_on(FRAME)
    frames = [concealment.fill() for _ in range(5)]
    assert asked == [1920] * 3
    assert (frames[0] == 0.25).all() and (frames[1] == 0.25).all()
    assert frames[2][0] == 0.25 and frames[2][-1] == 0
    assert not frames[3].any() and not frames[4].any()


def test_the_next_gap_is_guessed_at_again() -> None:
    concealment = Concealment(lambda samples: np.full(samples, 0.25, np.float32))
    for _ in range(4):
        concealment.fill()
    concealment.pass_on(FRAME)
    assert concealment.fill()[0] == 0.25


@pytest.mark.parametrize("ogg", [False, True], ids=["packets", "ogg"])
def test_libopus_goes_on_with_a_tone_that_breaks_off(ogg: bool) -> None:
    encoder = OggOpusEncoder(1) if ogg else OpusEncoder()
    decoder = OggOpusDecoder() if ogg else OpusPacketDecoder()
    heard = [decoder.decode(encoder.encode(frame)) for frame in TONE[:19_200].reshape(-1, 1920)]
    concealment = Concealment(decoder.conceal)
    frames = [concealment.fill() for _ in range(4)]
    assert rms(frames[0]) > 0.3 * rms(heard[-1]), "the guess is audible"
    assert rms(frames[0]) > rms(frames[1]) > rms(frames[2]), "and dies away"
    assert not frames[3].any()
    assert largest_jump(heard[-1], *frames) < 2 * largest_jump(TONE)
