"""Ogg-Opus framing, without I/O and without a codec: pages to Opus packets and back.

Written from RFC 3533 (Ogg) and RFC 7845 (Opus in Ogg). The libraries that read pages from a stream
also decode what is in them, without a limit on how much sound that is, so the framing is done here.
"""

import struct
import zlib
from dataclasses import dataclass

from kaiwa_server.errors import BadOgg, PacketTooLarge

GRANULE_RATE_HZ = 48_000  # RFC 7845, section 4: whatever rate the sound has
MAX_OPUS_PACKET_BYTES = 1_500
MAX_TAGS_BYTES = 65_536

_CAPTURE = b"OggS"
_HEADER = struct.Struct("<4sBBqIIIB")  # capture, version, flags, granule, serial, sequence, CRC, n
_CRC_OFFSET = 22
_CONTINUED, _FIRST, _LAST = 1, 2, 4
_OPUS_HEAD = struct.Struct("<8sBBHIhB")  # magic, version, channels, pre-skip, rate, gain, mapping

_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def checksum(page: bytes) -> int:
    """The checksum of RFC 3533, section 6: CRC-32 with the highest bit first and no inversions.

    zlib's has the same polynomial with the lowest bit first, so every byte goes in mirrored and the
    result comes out mirrored; its two inversions are undone. That is 100 times a loop's speed.
    """
    mirrored = ~zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) & 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_MIRRORED), "big")


@dataclass(frozen=True, slots=True)
class _Page:
    flags: int
    serial: int
    sequence: int
    segments: bytes
    body: bytes


def _take_page(buffer: bytearray) -> _Page | None:
    """Takes the first page out of the buffer, or None if there is not a whole one yet."""
    if bytes(buffer[:4]) != _CAPTURE[: len(buffer)]:
        raise BadOgg(
            f"an Ogg page begins with 'OggS', this one with {bytes(buffer[:4])!r}: send one "
            "continuous Ogg-Opus stream, headers first"
        )
    if len(buffer) < _HEADER.size:
        return None
    _, version, flags, _, serial, sequence, crc, count = _HEADER.unpack_from(buffer)
    if version != 0:
        raise BadOgg(f"Ogg version {version} is not known, only version 0")
    body_start = _HEADER.size + count
    segments = bytes(buffer[_HEADER.size : body_start])
    end = body_start + sum(segments)
    if len(segments) < count or len(buffer) < end:
        return None
    page = bytearray(buffer[:end])
    page[_CRC_OFFSET : _CRC_OFFSET + 4] = bytes(4)
    if checksum(bytes(page)) != crc:
        raise BadOgg(f"the checksum of Ogg page {sequence} is wrong: bytes were lost or changed")
    body = bytes(buffer[body_start:end])
    del buffer[:end]
    return _Page(flags, serial, sequence, segments, body)


class OggOpusReader:
    """Finds the Opus packets in the bytes of one Ogg-Opus stream, which may come in any pieces.

    It keeps at most one page (65,307 bytes) and one unfinished packet. The pre-skip of the header
    is not applied: live writers declare more of it than they put in (sphn 80 ms), and a few ms more
    of silence do a conversation no harm.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._partial = b""
        self._serial = 0
        self._next_sequence = 0
        self._packets_read = 0
        self.ended = False

    def feed(self, data: bytes) -> list[bytes]:
        """Gives the Opus packets that are complete with these bytes, headers left out.

        After an error the stream is lost: no packet can be found behind it.

        Raises:
            BadOgg: not an Ogg-Opus stream of one or two channels.
            PacketTooLarge: an Opus packet of more than 1,500 bytes.
        """
        self._buffer += data
        packets: list[bytes] = []
        while self._buffer and (page := _take_page(self._buffer)):
            packets += self._packets_of(page)
        return packets

    def end(self) -> None:
        """Says that no more bytes come.

        Raises:
            BadOgg: not even the headers are there, or the last page or packet is not whole.
        """
        if self._buffer or self._partial or self._packets_read < 2:
            raise BadOgg(
                f"the Ogg-Opus stream stops after page {self._next_sequence - 1} and "
                f"{len(self._buffer)} bytes of the next one: the file was cut off; send all of it"
            )

    def _packets_of(self, page: _Page) -> list[bytes]:
        self._check_order(page)
        if bool(page.flags & _CONTINUED) != bool(self._partial):
            raise BadOgg(f"Ogg page {page.sequence} does not fit the packet that is under way")
        packets: list[bytes] = []
        packet, position = self._partial, 0
        for length in page.segments:
            packet += page.body[position : position + length]
            position += length
            self._check_size(packet)
            if length < 255:
                packets += self._complete(packet)
                packet = b""
        # What a last segment of 255 bytes leaves over goes on in the next page.
        self._partial = packet
        self.ended = bool(page.flags & _LAST)
        return packets

    def _check_order(self, page: _Page) -> None:
        if self.ended:
            raise BadOgg("an Ogg page came after the stream's last one")
        first = self._next_sequence == 0
        if first:
            self._serial = page.serial
        if first != bool(page.flags & _FIRST) or page.serial != self._serial:
            raise BadOgg(
                f"Ogg page {page.sequence} of stream {page.serial} does not belong here: send one "
                "stream of Opus alone, from its first page on"
            )
        if page.sequence != self._next_sequence:
            raise BadOgg(f"Ogg page {page.sequence} came where {self._next_sequence} was expected")
        self._next_sequence += 1

    def _check_size(self, packet: bytes) -> None:
        if self._packets_read < 2:
            if len(packet) > MAX_TAGS_BYTES:
                raise BadOgg(f"the Ogg-Opus headers are longer than {MAX_TAGS_BYTES} bytes")
        elif len(packet) > MAX_OPUS_PACKET_BYTES:
            raise PacketTooLarge(
                f"an Opus packet has at most {MAX_OPUS_PACKET_BYTES} bytes, this one has more"
            )

    def _complete(self, packet: bytes) -> list[bytes]:
        self._packets_read += 1
        if self._packets_read == 1:
            _check_head(packet)
        elif self._packets_read == 2:
            if not packet.startswith(b"OpusTags"):
                raise BadOgg("the second packet of an Ogg-Opus stream is OpusTags, this one is not")
        else:
            return [packet]
        return []


def _check_head(packet: bytes) -> None:
    if not packet.startswith(b"OpusHead") or len(packet) < _OPUS_HEAD.size:
        raise BadOgg(
            f"the first packet of an Ogg-Opus stream is OpusHead, this one begins with "
            f"{packet[:8]!r}: send Opus, headers first"
        )
    _, version, channels, _, _, gain, mapping = _OPUS_HEAD.unpack_from(packet)
    if version >> 4 != 0:
        raise BadOgg(f"Ogg-Opus version {version} is not known, only versions below 16")
    if mapping != 0 or channels not in (1, 2):
        raise BadOgg(f"{channels} channels of mapping {mapping} are not taken: send mono or stereo")
    if gain != 0:
        raise BadOgg(f"an output gain of {gain / 256:g} dB is not applied here: send a gain of 0")


class OggOpusWriter:
    """Writes one Ogg-Opus stream: headers, then one page for each packet.

    Args:
        serial: the stream's number, 32 bits.
        sample_rate_hz: rate of the original sound; it informs, decoding does not depend on it.
        lookahead_samples: by how many of these samples the encoder's output is late.
        channels: 1, or 2 for left and right.
    """

    def __init__(
        self, serial: int, sample_rate_hz: int, lookahead_samples: int, channels: int = 1
    ) -> None:
        self._serial = serial
        self._channels = channels
        self._sample_rate_hz = sample_rate_hz
        self._pre_skip = lookahead_samples * GRANULE_RATE_HZ // sample_rate_hz
        self._sequence = 0
        self._granule = 0

    def headers(self) -> bytes:
        """Gives the stream's first two pages."""
        rate = self._sample_rate_hz
        head = _OPUS_HEAD.pack(b"OpusHead", 1, self._channels, self._pre_skip, rate, 0, 0)
        vendor = b"Kaiwa"
        tags = b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", 0)
        return self._page(_FIRST, 0, head) + self._page(0, 0, tags)

    def page(self, packet: bytes, samples: int) -> bytes:
        """Gives the page of a packet that lasts this many samples of the original sound."""
        self._granule += samples * GRANULE_RATE_HZ // self._sample_rate_hz
        return self._page(0, self._granule, packet)

    def end(self) -> bytes:
        """Gives the stream's last page, which holds no packet."""
        return self._page(_LAST, self._granule, None)

    def _page(self, flags: int, granule: int, packet: bytes | None) -> bytes:
        segments = b""
        if packet is not None:
            segments = b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255])
        header = _HEADER.pack(
            _CAPTURE, 0, flags, granule, self._serial, self._sequence, 0, len(segments)
        )
        page = bytearray(header + segments + (packet or b""))
        page[_CRC_OFFSET : _CRC_OFFSET + 4] = struct.pack("<I", checksum(bytes(page)))
        self._sequence += 1
        return bytes(page)
