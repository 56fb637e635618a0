import struct

import numpy as np
import pytest
import sphn
from hypothesis import given, settings
from hypothesis import strategies as st
from kaiwa.opus import OpusEncoder
from kaiwa_server.errors import (
    BadFrame,
    BadOgg,
    BadOpus,
    KaiwaError,
    PacketTooLarge,
    UnsupportedAudio,
)
from kaiwa_server.gateway.formats import (
    PCM_RATES_HZ,
    Coding,
    OggOpusDecoder,
    OggOpusEncoder,
    decoder_of,
    encoder_of,
)
from kaiwa_server.gateway.ogg import OggOpusWriter
from numpy.typing import NDArray


def sine(samples: int) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(samples) / 24_000)).astype(np.float32)


def power(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt((samples**2).mean()))


@pytest.mark.parametrize("coding", [Coding.PCM_S16LE, Coding.PCM_F32LE])
def test_pcm_comes_back_as_it_was(coding: Coding) -> None:
    sound = sine(1920)
    heard = decoder_of(coding, 24_000).decode(encoder_of(coding, 24_000).encode(sound))
    assert heard.dtype == np.float32
    assert np.abs(heard - sound).max() < 1 / 16_000


def test_opus_comes_back_alike() -> None:
    encoder, decoder = encoder_of(Coding.OPUS, 0), decoder_of(Coding.OPUS, 0)
    heard = [decoder.decode(encoder.encode(frame)) for frame in sine(9600).reshape(-1, 1920)]
    assert [len(frame) for frame in heard] == [1920] * 5
    assert power(heard[-1]) == pytest.approx(power(sine(9600)), rel=0.05)


@pytest.mark.parametrize(
    ("coding", "rate_hz", "sentence"),
    [
        (Coding.PCM_S16LE, 44_100, "PCM of 16-bit integers at 44100 Hz .* 8000, .* 48000 Hz"),
        (
            Coding.PCM_F32LE,
            12_000,
            "at 12000 Hz is not taken: send it at 8000, 16000, 24000, 48000",
        ),
        (Coding.MULAW, 16_000, "mu-law at 16000 Hz is not taken: send it at 8000 Hz"),
        (Coding.ALAW, 24_000, "A-law at 24000 Hz is not taken: send it at 8000 Hz"),
        (Coding.OPUS, 44_100, "Opus at 44100 Hz .* 8000, 12000, 16000, 24000, 48000 Hz"),
        (Coding.OGG_OPUS, 44_100, "Ogg-Opus at 44100 Hz"),
        (Coding.PCM_S16LE, -1, "at -1 Hz"),
    ],
)
def test_a_rate_that_is_not_taken_is_refused_by_name(
    coding: Coding, rate_hz: int, sentence: str
) -> None:
    for make in (decoder_of, encoder_of):
        with pytest.raises(UnsupportedAudio, match=sentence):
            make(coding, rate_hz)


def test_opus_of_any_rate_that_it_knows_is_taken() -> None:
    packet = OpusEncoder(48_000).encode(np.zeros(960, np.float32))
    assert decoder_of(Coding.OPUS, 48_000).decode(packet).shape == (480,)


@pytest.mark.parametrize(
    ("coding", "default_hz"),
    [(Coding.PCM_S16LE, 24_000), (Coding.MULAW, 8_000), (Coding.ALAW, 8_000)],
)
def test_a_rate_that_is_not_named_is_the_default(coding: Coding, default_hz: int) -> None:
    assert encoder_of(coding, 0).encode(sine(1920)) == encoder_of(coding, default_hz).encode(
        sine(1920)
    )


SAMPLE_FORMATS = [
    *((coding, rate) for coding in (Coding.PCM_S16LE, Coding.PCM_F32LE) for rate in PCM_RATES_HZ),
    (Coding.MULAW, 8_000),
    (Coding.ALAW, 8_000),
]
BYTES = {Coding.PCM_S16LE: 2, Coding.PCM_F32LE: 4, Coding.MULAW: 1, Coding.ALAW: 1}
G711 = (Coding.MULAW, Coding.ALAW)


@pytest.mark.parametrize(("coding", "rate_hz"), SAMPLE_FORMATS)
def test_a_frame_of_80_ms_stays_80_ms_in_every_format(coding: Coding, rate_hz: int) -> None:
    encoder, decoder = encoder_of(coding, rate_hz), decoder_of(coding, rate_hz)
    for frame in sine(19_200).reshape(-1, 1920):
        data = encoder.encode(frame)
        assert len(data) == rate_hz * 80 // 1000 * BYTES[coding]
        assert decoder.decode(data).shape == (1920,)


@pytest.mark.parametrize(("coding", "rate_hz"), SAMPLE_FORMATS)
def test_a_tone_comes_back_as_loud_as_it_was_and_as_clean_as_the_coding_is(
    coding: Coding, rate_hz: int
) -> None:
    encoder, decoder = encoder_of(coding, rate_hz), decoder_of(coding, rate_hz)
    # 1012.5 Hz: whole cycles in what is compared, and not the same few samples again and again.
    cycle = np.exp(2j * np.pi * 1012.5 * np.arange(23_040) / 24_000)
    sound = (0.5 * cycle.imag).astype(np.float32)
    heard = np.concatenate(
        [decoder.decode(encoder.encode(frame)) for frame in sound.reshape(-1, 1920)]
    )[1920:]
    assert 20 * np.log10(power(heard) / power(sound)) == pytest.approx(0, abs=0.05)
    cycle = cycle[1920:]
    tone = 2 * ((heard * cycle.conj()).mean() * cycle).real
    noise = heard - tone
    least_db = 36 if coding in G711 else 55
    assert 20 * np.log10(power(heard) / power(noise)) > least_db


@pytest.mark.parametrize(("coding", "rate_hz"), SAMPLE_FORMATS)
@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, 30), max_size=40))
def test_sound_in_messages_of_any_size_is_heard_as_in_one(
    coding: Coding, rate_hz: int, cuts: list[int]
) -> None:
    size = BYTES[coding]
    data = encoder_of(coding, rate_hz).encode(sine(1920))
    whole, pieces, start, heard = decoder_of(coding, rate_hz), decoder_of(coding, rate_hz), 0, []
    for samples in cuts:
        heard.append(pieces.decode(data[start : start + samples * size]))
        start += samples * size
    heard.append(pieces.decode(data[start:]))
    assert np.array_equal(np.concatenate(heard), whole.decode(data))


NOT_SOUND = struct.pack("<2f", 0.5, 12_000.0)


@pytest.mark.parametrize(
    ("coding", "data", "error", "sentence"),
    [
        (Coding.PCM_S16LE, bytes(3), BadFrame, "3 bytes .* 2 bytes in each"),
        (Coding.PCM_F32LE, bytes(6), BadFrame, "6 bytes .* 4 bytes in each"),
        (Coding.PCM_F32LE, struct.pack("<f", np.nan), BadFrame, "NaN"),
        (Coding.PCM_F32LE, struct.pack("<f", -np.inf), BadFrame, "infinite"),
        (Coding.PCM_F32LE, NOT_SOUND, BadFrame, "far outside .* PCM_S16LE"),
        (Coding.PCM_S16LE, bytes(2 * 2881), PacketTooLarge, "2880 samples .* has 2881"),
        (Coding.PCM_F32LE, bytes(4 * 2881), PacketTooLarge, "2880 samples"),
        (Coding.MULAW, bytes(961), PacketTooLarge, "at most 960 samples .* has 961"),
        (Coding.ALAW, bytes(961), PacketTooLarge, "960 samples"),
        (Coding.OGG_OPUS, bytes(40), BadOgg, "begins with 'OggS'"),
        (Coding.OPUS, bytes(1501), PacketTooLarge, "at most 1500 bytes, this one has 1501"),
        (Coding.OPUS, bytes([0b01001011, 7]) + bytes(7), PacketTooLarge, "at most 120 ms"),
        (Coding.OPUS, b"", BadOpus, "at least one byte"),
        (Coding.OPUS, b"\x01\x02\x03\x04", BadOpus, "not an Opus packet"),
        (Coding.OPUS, OpusEncoder().encode(sine(1920))[:2], BadOpus, "not an Opus packet"),
        (Coding.OPUS, b"OggS\x00\x02" + bytes(30), BadOpus, "Ogg page: .* OGG_OPUS"),
    ],
)
def test_broken_sound_is_refused_with_its_reason(
    coding: Coding, data: bytes, error: type[KaiwaError], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        decoder_of(coding, 0).decode(data)


def test_a_decoder_goes_on_after_a_packet_that_it_refused() -> None:
    decoder = decoder_of(Coding.OPUS, 0)
    with pytest.raises(BadOpus):
        decoder.decode(b"")
    assert decoder.decode(OpusEncoder().encode(sine(480))).shape == (480,)


def test_floats_a_little_over_full_scale_are_clipped() -> None:
    heard = decoder_of(Coding.PCM_F32LE, 0).decode(struct.pack("<2f", 1.2, -1.2))
    assert heard.tolist() == [1.0, -1.0]


def test_integers_use_the_whole_range_and_never_wrap() -> None:
    data = encoder_of(Coding.PCM_S16LE, 0).encode(np.array([1.5, -1.5, 0], np.float32))
    assert struct.unpack("<3h", data) == (32_767, -32_767, 0)


@pytest.mark.parametrize(("coding", "rate_hz"), SAMPLE_FORMATS)
def test_no_samples_are_no_sound(coding: Coding, rate_hz: int) -> None:
    assert decoder_of(coding, rate_hz).decode(b"").shape == (0,)


def test_a_message_may_be_longer_at_a_higher_rate_and_not_later() -> None:
    decoder = decoder_of(Coding.PCM_S16LE, 48_000)
    assert decoder.decode(bytes(2 * 5760)).shape == (2880,)
    with pytest.raises(PacketTooLarge, match="5760 samples"):
        decoder.decode(bytes(2 * 5761))


def test_our_ogg_stream_is_heard_by_kyutais_reader_and_by_ours() -> None:
    encoder, theirs, ours = OggOpusEncoder(3), sphn.OpusStreamReader(24_000), OggOpusDecoder()
    messages = [encoder.encode(frame) for frame in sine(19_200).reshape(-1, 1920)]
    for heard in ([theirs.append_bytes(m) for m in messages], [ours.decode(m) for m in messages]):
        assert power(np.concatenate(heard)[4800:]) == pytest.approx(power(sine(9600)), rel=0.05)
    assert not ours.ended
    assert ours.decode(encoder.end()).shape == (0,) and ours.ended


def test_an_ogg_stream_without_a_frame_still_has_its_headers() -> None:
    decoder = OggOpusDecoder()
    decoder.decode(OggOpusEncoder(3).end())
    assert decoder.ended


def test_a_message_of_minutes_is_refused_before_it_is_decoded() -> None:
    writer = OggOpusWriter(1, 24_000, 60)
    message = writer.headers() + b"".join(writer.page(bytes([0b00011000]), 1440) for _ in range(99))
    with pytest.raises(PacketTooLarge, match="at most 2 s of sound"):
        OggOpusDecoder().decode(message)
