import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kaiwa.opus import (
    OpusDecoder,
    OpusEncoder,
    OpusError,
    OpusNotInstalled,
    OpusPacketTooLarge,
)
from numpy.typing import NDArray


def sine(samples: int, rate_hz: int = 24_000) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(samples) / rate_hz)).astype(np.float32)


@pytest.mark.parametrize("packet_samples", [60, 120, 240, 480, 960, 1440, 1920, 2400, 2880])
def test_what_is_encoded_is_heard_again_after_the_lookahead(packet_samples: int) -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    sound = sine(packet_samples * (24_000 // packet_samples))
    pieces = sound.reshape(-1, packet_samples)
    heard = np.concatenate([decoder.decode(encoder.encode(piece)) for piece in pieces])
    assert heard.shape == sound.shape
    assert heard.dtype == np.float32
    late = encoder.lookahead_samples
    noise = heard[late + 2400 :] - sound[2400 : len(sound) - late]
    assert np.sqrt((noise**2).mean()) < 0.05


def test_the_lookahead_is_two_and_a_half_milliseconds() -> None:
    assert OpusEncoder(24_000).lookahead_samples == 60
    assert OpusEncoder(48_000).lookahead_samples == 120


@pytest.mark.parametrize("rate_hz", [8_000, 12_000, 16_000, 48_000])
def test_packets_of_any_rate_decode_to_24_khz(rate_hz: int) -> None:
    packet = OpusEncoder(rate_hz).encode(sine(rate_hz // 50, rate_hz))
    assert OpusDecoder(24_000).decode(packet).shape == (480,)


def test_a_frame_of_80_ms_stays_far_below_the_packet_limit() -> None:
    encoder = OpusEncoder()
    noise = np.random.default_rng(0).uniform(-1, 1, (20, 1920)).astype(np.float32)
    assert max(len(encoder.encode(frame)) for frame in noise) < 750


def test_decoded_samples_stay_within_one() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    loud = np.sign(sine(19_200)).reshape(-1, 1920)
    heard = np.concatenate([decoder.decode(encoder.encode(frame)) for frame in loud])
    assert np.abs(heard).max() == 1.0


def test_a_lost_packet_is_concealed_with_as_many_samples_as_were_lost() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    for frame in sine(9600).reshape(-1, 480):
        decoder.decode(encoder.encode(frame))
    concealed = decoder.conceal(480)
    assert concealed.shape == (480,)
    assert np.abs(concealed).max() > 0.05
    assert decoder.decode(encoder.encode(sine(480))).shape == (480,)


@pytest.mark.parametrize("samples", [0, -480, 1, 481, 2940])
def test_concealing_an_impossible_length_is_refused(samples: int) -> None:
    with pytest.raises(OpusError, match="give a multiple"):
        OpusDecoder().conceal(samples)


def test_an_empty_packet_is_refused() -> None:
    with pytest.raises(OpusError, match="at least one byte"):
        OpusDecoder().decode(b"")


def test_garbage_is_refused_and_the_decoder_goes_on() -> None:
    decoder = OpusDecoder()
    with pytest.raises(OpusError, match="not an Opus packet"):
        decoder.decode(b"\x01\x02\x03\x04")
    assert decoder.decode(OpusEncoder().encode(sine(480))).shape == (480,)


def test_a_truncated_packet_is_refused() -> None:
    packet = OpusEncoder().encode(sine(1920))
    with pytest.raises(OpusError, match="not an Opus packet"):
        OpusDecoder().decode(packet[:2])


def test_a_packet_over_1500_bytes_is_refused() -> None:
    with pytest.raises(OpusPacketTooLarge, match="1500 bytes, this one has 1501"):
        OpusDecoder().decode(bytes(1501))


def test_a_packet_over_120_ms_is_refused() -> None:
    code_three_with_seven_frames_of_20_ms = bytes([0b01001011, 7]) + bytes(7)
    with pytest.raises(OpusPacketTooLarge, match="at most 120 ms; these bytes say 140 ms"):
        OpusDecoder().decode(code_three_with_seven_frames_of_20_ms)


@pytest.mark.parametrize("samples", [0, 1, 479, 1921, 5760])
def test_samples_of_an_impossible_length_are_refused(samples: int) -> None:
    with pytest.raises(OpusError, match="a packet cannot hold"):
        OpusEncoder().encode(np.zeros(samples, np.float32))


def test_stereo_samples_are_refused() -> None:
    with pytest.raises(OpusError, match="mono"):
        OpusEncoder().encode(np.zeros((480, 2), np.float32))


def test_a_rate_that_opus_does_not_know_is_refused_by_name() -> None:
    with pytest.raises(OpusError, match="44100 Hz; it knows 8000, 12000, 16000, 24000, 48000"):
        OpusEncoder(44_100)
    with pytest.raises(OpusError, match="44100 Hz"):
        OpusDecoder(44_100)


@given(st.binary(min_size=0, max_size=1600))
@settings(max_examples=300, deadline=None)
def test_random_bytes_decode_or_raise_nothing_but_opus_errors(packet: bytes) -> None:
    try:
        samples = OpusDecoder().decode(packet)
    except OpusError:
        return
    assert 0 < len(samples) <= 2880


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("import ctypes.util; ctypes.util.find_library = lambda name: None", "apt-get install"),
        ("import sys; sys.modules['opuslib_next'] = None", "pip install"),
    ],
)
def test_a_missing_library_is_told_when_a_codec_is_made(missing: str, sentence: str) -> None:
    program = f"""
        {missing}
        import os.path; os.path.exists = lambda path: False
        from kaiwa.opus import OpusDecoder, OpusEncoder, OpusNotInstalled
        for make in (OpusEncoder, OpusDecoder):
            try:
                make()
            except OpusNotInstalled as error:
                assert {sentence!r} in str(error), error
            else:
                raise SystemExit("made without a library")
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)


def test_a_missing_library_is_an_import_error() -> None:
    assert issubclass(OpusNotInstalled, ImportError)
