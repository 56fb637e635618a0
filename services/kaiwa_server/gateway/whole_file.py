"""A file's bytes, in pieces of any size, to sound in pieces that are small."""

from collections.abc import Iterator
from typing import Protocol

from kaiwa_server.errors import UnsupportedAudio
from kaiwa_server.gateway.formats import OggOpusDecoder, Samples, SoundDecoder
from kaiwa_server.gateway.pcm import PcmDecoder


class FileDecoder(Protocol):
    """Turns a file's bytes into samples: float32 [n] in [-1, 1], mono, 24 kHz, at most 120 ms each.

    A piece is decoded when it is asked for, so that a few bytes that are much sound wait as bytes.
    """

    def decode(self, data: bytes) -> Iterator[Samples]:
        """Gives the samples that are complete with the file's next bytes.

        Raises:
            BadRequest: the bytes are not what the format says.
        """

    def end(self) -> Iterator[Samples]:
        """Gives what is left at the file's end.

        Raises:
            BadRequest: the file ends in the middle of something.
        """


def file_decoder_of(decoder: SoundDecoder) -> FileDecoder:
    """Gives the decoder of a file whose messages, in a conversation, `decoder` would decode."""
    match decoder:
        case OggOpusDecoder():
            return OggFile(decoder)
        case PcmDecoder():
            return PcmFile(decoder)
        case _:
            return PacketFile(decoder)


class PacketFile:
    """Raw Opus, which has no framing of its own: the bytes come packet by packet."""

    def __init__(self, decoder: SoundDecoder) -> None:
        self._decoder = decoder

    def decode(self, data: bytes) -> Iterator[Samples]:
        """Gives the samples of one packet."""
        yield self._decoder.decode(data)

    def end(self) -> Iterator[Samples]:
        """Gives nothing: a packet is whole."""
        return iter(())


class OggFile:
    """An Ogg-Opus file, cut anywhere."""

    def __init__(self, decoder: OggOpusDecoder) -> None:
        self._decoder = decoder

    def decode(self, data: bytes) -> Iterator[Samples]:
        """Gives the samples of the packets that are complete with these bytes."""
        return self._decoder.packets(data)

    def end(self) -> Iterator[Samples]:
        """Gives nothing: a whole file ends with a whole page."""
        self._decoder.finish()
        return iter(())


class PcmFile:
    """Bare samples, cut anywhere, also inside a sample."""

    def __init__(self, decoder: PcmDecoder) -> None:
        self._decoder = decoder
        self._size = decoder.max_message_bytes
        self._unheard = b""
        self._begun = False

    def decode(self, data: bytes) -> Iterator[Samples]:
        """Gives the samples of each 120 ms that are complete with these bytes."""
        self._unheard += data
        while len(self._unheard) >= self._size:
            yield self._next()

    def end(self) -> Iterator[Samples]:
        """Gives the last samples."""
        if self._unheard:
            yield self._next()

    def _next(self) -> Samples:
        piece, self._unheard = self._unheard[: self._size], self._unheard[self._size :]
        if not self._begun and piece[:4] == b"RIFF" and piece[8:12] == b"WAVE":
            raise UnsupportedAudio(
                "this is a WAV file, header and all: send the samples that are in it"
            )
        self._begun = True
        return self._decoder.decode(piece)
