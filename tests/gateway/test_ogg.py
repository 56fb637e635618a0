import struct

import numpy as np
import pytest
import sphn
from hypothesis import given, settings
from hypothesis import strategies as st
from kaiwa.opus import OpusDecoder, OpusEncoder
from kaiwa_server.errors import BadOgg, BadOpus, PacketTooLarge
from kaiwa_server.gateway.formats import OggOpusDecoder
from kaiwa_server.gateway.ogg import OggOpusReader, OggOpusWriter, checksum
from numpy.typing import NDArray

HEAD = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, 0, 24_000, 0, 0)
TAGS = b"OpusTags" + bytes(8)
FIRST, LAST, CONTINUED = 2, 4, 1


def sine(samples: int) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(samples) / 24_000)).astype(np.float32)


def page(
    flags: int, sequence: int, body: bytes, segments: bytes | None = None, serial: int = 9
) -> bytes:
    """A page with the right checksum; by default it holds one whole packet."""
    if segments is None:
        segments = b"\xff" * (len(body) // 255) + bytes([len(body) % 255])
    header = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, 0, serial, sequence, 0, len(segments))
    whole = bytearray(header + segments + body)
    whole[22:26] = struct.pack("<I", checksum(bytes(whole)))
    return bytes(whole)


HEADERS = page(FIRST, 0, HEAD) + page(0, 1, TAGS)


def stream_of_kyutai(frames: int) -> bytes:
    writer = sphn.OpusStreamWriter(24_000)
    return b"".join(writer.append_pcm(piece) for piece in sine(1920 * frames).reshape(-1, 1920))


def test_the_checksum_is_that_of_the_standard() -> None:
    value, register = b"123456789", 0
    for byte in value:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1 ^ (0x04C11DB7 if register >> 31 else 0)) & 0xFFFFFFFF
    assert checksum(value) == register == 0x89A1897F


def test_the_stream_of_kyutais_writer_is_read() -> None:
    packets = OggOpusReader().feed(stream_of_kyutai(25))
    decoder = OpusDecoder()
    sound = np.concatenate([decoder.decode(packet) for packet in packets])
    assert sound.shape == (25 * 1920,)
    assert np.sqrt((sound[4800:] ** 2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_kyutais_reader_reads_our_stream() -> None:
    encoder = OpusEncoder()
    writer = OggOpusWriter(77, 24_000, encoder.lookahead_samples)
    pieces = sine(25 * 1920).reshape(-1, 1920)
    stream = [writer.headers(), *(writer.page(encoder.encode(p), 1920) for p in pieces)]
    reader = sphn.OpusStreamReader(24_000)
    sound = np.concatenate([reader.append_bytes(data) for data in [*stream, writer.end()]])
    assert sound.shape == (25 * 1920,)
    assert np.sqrt((sound[4800:] ** 2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_granule_positions_count_samples_at_48_khz_and_the_pre_skip_is_the_lookahead() -> None:
    writer = OggOpusWriter(1, 24_000, 60)
    headers = writer.headers()
    assert struct.unpack_from("<H", headers, headers.index(b"OpusHead") + 10) == (120,)
    pages = [writer.page(b"\x00", 1920), writer.page(b"\x00", 480), writer.end()]
    assert [struct.unpack_from("<q", data, 6)[0] for data in pages] == [3840, 4800, 4800]
    assert [data[5] for data in pages] == [0, 0, LAST]


def test_what_is_written_is_read_until_its_end() -> None:
    writer, reader = OggOpusWriter(5, 24_000, 60), OggOpusReader()
    packets = [bytes([number]) * length for number, length in enumerate((1, 254, 255, 510, 1500))]
    assert reader.feed(writer.headers()) == []
    assert [reader.feed(writer.page(packet, 480)) for packet in packets] == [[p] for p in packets]
    assert not reader.ended
    assert reader.feed(writer.end()) == [] and reader.ended
    with pytest.raises(BadOgg, match="after the stream's last"):
        reader.feed(page(0, 8, b"\x00", serial=5))


@given(st.lists(st.integers(1, 400)))
def test_pages_may_be_split_anywhere(lengths: list[int]) -> None:
    stream, reader, packets, position = stream_of_kyutai(4), OggOpusReader(), [], 0
    for length in [*lengths, len(stream)]:
        packets += reader.feed(stream[position : position + length])
        position += length
    assert packets == OggOpusReader().feed(stream)


def test_a_packet_may_go_on_in_the_next_pages() -> None:
    packet = bytes(range(256)) * 3
    parts = [
        page(0, 2, packet[:255], b"\xff"),
        page(CONTINUED, 3, packet[255:510], b"\xff"),
        page(CONTINUED, 4, packet[510:] + b"\x07\x08", b"\xff\x03\x02"),
    ]
    reader = OggOpusReader()
    reader.feed(HEADERS)
    assert [reader.feed(part) for part in parts] == [[], [], [packet, b"\x07\x08"]]


@pytest.mark.parametrize(
    ("stream", "sentence"),
    [
        (b"RIFF", "begins with 'OggS'"),
        (OpusEncoder().encode(np.zeros(480, np.float32)), "begins with 'OggS'"),
        (page(0, 0, HEAD), "does not belong here"),
        (page(FIRST, 1, HEAD), "came where 0 was expected"),
        (page(FIRST, 0, b"\x01vorbis"), "begins with b'.x01vorbis"),
        (page(FIRST, 0, HEAD[:12]), "is OpusHead"),
        (page(FIRST, 0, HEAD) + page(0, 1, b"\x01\x02"), "is OpusTags"),
        (page(FIRST, 0, b"OpusHead\x10" + HEAD[9:]), "version 16"),
        (page(FIRST, 0, HEAD[:9] + b"\x03" + HEAD[10:]), "3 channels of mapping 0"),
        (page(FIRST, 0, HEAD[:18] + b"\x01"), "2 channels of mapping 1|1 channels of mapping 1"),
        (page(FIRST, 0, HEAD[:16] + b"\x00\x01\x00"), "output gain of 1 dB"),
        (HEADERS + page(0, 3, b"\x00"), "came where 2 was expected"),
        (HEADERS + page(0, 2, b"\x00", serial=10), "does not belong here"),
        (HEADERS + page(FIRST, 2, HEAD), "does not belong here"),
        (HEADERS + page(CONTINUED, 2, b"\x00"), "does not fit the packet"),
        (HEADERS + page(0, 2, bytes(255), b"\xff") + page(0, 3, b"\x00"), "does not fit"),
        (HEADERS + page(0, 2, b"\x00")[:-1] + b"\x01", "checksum of Ogg page 2"),
        (b"OggS\x01" + HEADERS[5:], "version 1"),
    ],
)
def test_what_is_not_one_stream_of_opus_is_refused(stream: bytes, sentence: str) -> None:
    with pytest.raises(BadOgg, match=sentence):
        OggOpusReader().feed(stream)


def test_stereo_is_taken() -> None:
    assert OggOpusReader().feed(page(FIRST, 0, HEAD[:9] + b"\x02" + HEAD[10:])) == []


def test_headers_without_end_are_refused() -> None:
    reader = OggOpusReader()
    reader.feed(page(FIRST, 0, HEAD) + page(0, 1, b"OpusTags" + bytes(65_017), b"\xff" * 255))
    with pytest.raises(BadOgg, match="longer than 65536 bytes"):
        reader.feed(page(CONTINUED, 2, bytes(65_025), b"\xff" * 255))


def test_a_packet_without_end_is_refused_before_it_grows() -> None:
    reader = OggOpusReader()
    reader.feed(HEADERS)
    with pytest.raises(PacketTooLarge, match="1500 bytes"):
        reader.feed(page(0, 2, bytes(255 * 6), b"\xff" * 6))


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_changed_streams_raise_nothing_but_errors_of_ours(data: st.DataObject) -> None:
    stream = bytearray(stream_of_kyutai(2))
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, len(stream) - 1))
        match data.draw(st.sampled_from(["set", "cut", "insert", "repair"])):
            case "set":
                stream[where] = data.draw(st.integers(0, 255))
            case "cut":
                del stream[where : where + data.draw(st.integers(1, 40))]
            case "insert":
                stream[where:where] = data.draw(st.binary(max_size=40))
            case "repair":
                # A wrong checksum would hide what comes after it.
                _repair(stream)
        if not stream:
            return
    decoder = OggOpusDecoder()
    try:
        decoder.decode(bytes(stream))
    except (BadOgg, BadOpus, PacketTooLarge):
        pass


def _repair(stream: bytearray) -> None:
    start = 0
    while len(stream) >= start + 27 and stream[start : start + 4] == b"OggS":
        segments = stream[start + 27 : start + 27 + stream[start + 26]]
        end = start + 27 + len(segments) + sum(segments)
        stream[start + 22 : start + 26] = bytes(4)
        stream[start + 22 : start + 26] = struct.pack("<I", checksum(bytes(stream[start:end])))
        start = end
