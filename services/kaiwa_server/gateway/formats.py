"""What clients send and want to hear: bytes to samples and back, one object for each direction."""

import secrets
from collections.abc import Iterator
from enum import Enum
from typing import Final, Protocol, runtime_checkable

import numpy as np
from kaiwa import g711
from kaiwa.opus import (
    SAMPLE_RATES_HZ,
    OpusDecoder,
    OpusEncoder,
    OpusError,
    OpusPacketTooLarge,
)
from numpy.typing import NDArray

from kaiwa_server.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from kaiwa_server.errors import BadOpus, PacketTooLarge, UnsupportedAudio
from kaiwa_server.gateway.ogg import OggOpusReader, OggOpusWriter
from kaiwa_server.gateway.pcm import Floats, Integers, PcmDecoder, PcmEncoder, SampleCoder

Samples = NDArray[np.float32]

# A live client sends a fraction of it. The bytes of a message say little: 26 KB can be 18 minutes.
MAX_OGG_MESSAGE_SAMPLES = SAMPLE_RATE_HZ * 2
PCM_RATES_HZ = (8_000, 16_000, 24_000, 48_000)


class Coding(Enum):
    """How samples are written in a message; the values are what error texts call them."""

    OPUS = "Opus"
    OGG_OPUS = "Ogg-Opus"
    PCM_S16LE = "PCM of 16-bit integers"
    PCM_F32LE = "PCM of 32-bit floats"
    MULAW = "mu-law"
    ALAW = "A-law"


_RATES_HZ: Final = {
    Coding.OPUS: SAMPLE_RATES_HZ,
    Coding.OGG_OPUS: SAMPLE_RATES_HZ,
    Coding.PCM_S16LE: PCM_RATES_HZ,
    Coding.PCM_F32LE: PCM_RATES_HZ,
    Coding.MULAW: (g711.SAMPLE_RATE_HZ,),
    Coding.ALAW: (g711.SAMPLE_RATE_HZ,),
}


class SoundDecoder(Protocol):
    """Turns a client's messages into samples."""

    def decode(self, data: bytes) -> Samples:
        """Gives the samples of one message: float32 [n] in [-1, 1], mono, 24 kHz."""


@runtime_checkable
class ConcealingDecoder(SoundDecoder, Protocol):
    """A decoder that knows how lost sound would have gone on."""

    def conceal(self, samples: int) -> Samples:
        """Gives a guess at so many samples, a multiple of 2.5 ms up to 120 ms: float32 [n]."""


class SoundEncoder(Protocol):
    """Turns Moshi's frames into messages for a client."""

    def encode(self, samples: Samples) -> bytes:
        """Gives the message of one frame: `samples` is float32 [1920]."""


def decoder_of(coding: Coding, sample_rate_hz: int) -> SoundDecoder:
    """Gives the decoder of what a client says that it sends; a rate of 0 is the default.

    Raises:
        UnsupportedAudio: the rate is not taken.
    """
    rate_hz = _rate_of(coding, sample_rate_hz)
    match coding:
        case Coding.OPUS:
            return OpusPacketDecoder()
        case Coding.OGG_OPUS:
            return OggOpusDecoder()
        case _:
            return PcmDecoder(coding.value, _sample_coder(coding), rate_hz)


def encoder_of(coding: Coding, sample_rate_hz: int) -> SoundEncoder:
    """Gives the encoder of what a client wants to hear; a rate of 0 is the default.

    Raises:
        UnsupportedAudio: the rate is not taken.
    """
    rate_hz = _rate_of(coding, sample_rate_hz)
    match coding:
        case Coding.OPUS:
            return OpusEncoder()
        case Coding.OGG_OPUS:
            return OggOpusEncoder(secrets.randbits(32))
        case _:
            return PcmEncoder(_sample_coder(coding), rate_hz)


def _rate_of(coding: Coding, sample_rate_hz: int) -> int:
    rates = _RATES_HZ[coding]
    if sample_rate_hz == 0:
        return SAMPLE_RATE_HZ if SAMPLE_RATE_HZ in rates else rates[0]
    if sample_rate_hz not in rates:
        supported = ", ".join(str(rate) for rate in rates)
        raise UnsupportedAudio(
            f"{coding.value} at {sample_rate_hz} Hz is not taken: send it at {supported} Hz"
        )
    return sample_rate_hz


def _sample_coder(coding: Coding) -> SampleCoder:
    match coding:
        case Coding.MULAW:
            return g711.G711("mulaw")
        case Coding.ALAW:
            return g711.G711("alaw")
        case Coding.PCM_S16LE:
            return Integers()
        case _:
            return Floats()


class OpusPacketDecoder:
    """Decodes messages of one raw Opus packet each."""

    def __init__(self) -> None:
        self._opus = OpusDecoder(SAMPLE_RATE_HZ)

    def decode(self, data: bytes) -> Samples:
        """Gives the samples of one packet.

        Raises:
            PacketTooLarge: over 1,500 bytes or over 120 ms.
            BadOpus: not an Opus packet.
        """
        if data.startswith(b"OggS"):
            raise BadOpus(
                "this is an Ogg page: send raw Opus packets, or name the encoding OGG_OPUS"
            )
        try:
            return self._opus.decode(data)
        except OpusPacketTooLarge as error:
            raise PacketTooLarge(str(error)) from error
        except OpusError as error:
            raise BadOpus(str(error)) from error

    def conceal(self, samples: int) -> Samples:
        """Gives libopus's guess at so many samples of a lost packet."""
        return self._opus.conceal(samples)


class OggOpusDecoder:
    """Decodes the bytes of one continuous Ogg-Opus stream, in messages of any size."""

    def __init__(self) -> None:
        self._reader = OggOpusReader()
        self._packets = OpusPacketDecoder()

    @property
    def ended(self) -> bool:
        """Whether the stream's last page has come."""
        return self._reader.ended

    def decode(self, data: bytes) -> Samples:
        """Gives the samples of the packets that are complete with this message.

        Raises:
            BadOgg: not an Ogg-Opus stream.
            BadOpus: a packet in it is not an Opus packet.
            PacketTooLarge: a packet over its limits, or over 2 s of sound in one message.
        """
        sound, total = [np.empty(0, np.float32)], 0
        for samples in self.packets(data):
            sound.append(samples)
            total += len(samples)
            if total > MAX_OGG_MESSAGE_SAMPLES:
                raise PacketTooLarge(
                    "a message holds at most 2 s of sound: send it as it is recorded"
                )
        return np.concatenate(sound)

    def finish(self) -> None:
        """Says that the stream is over.

        Raises:
            BadOgg: its last page or packet is not whole.
        """
        self._reader.end()

    def packets(self, data: bytes) -> Iterator[Samples]:
        """Gives the samples of each packet that these bytes complete, decoded when it is asked for.

        Raises:
            BadOgg: not an Ogg-Opus stream.
            BadOpus: a packet in it is not an Opus packet.
            PacketTooLarge: a packet over its limits.
        """
        return map(self._packets.decode, self._reader.feed(data))

    def conceal(self, samples: int) -> Samples:
        """Gives libopus's guess at so many samples of a lost packet."""
        return self._packets.conceal(samples)


class OggOpusEncoder:
    """Writes frames as the bytes of one continuous Ogg-Opus stream."""

    def __init__(self, serial: int) -> None:
        self._opus = OpusEncoder(SAMPLE_RATE_HZ)
        self._writer = OggOpusWriter(serial, SAMPLE_RATE_HZ, self._opus.lookahead_samples)
        self._unsent = self._writer.headers()

    def encode(self, samples: Samples) -> bytes:
        """Gives the page of one frame, float32 [1920]; the headers come before the first."""
        page = self._unsent + self._writer.page(self._opus.encode(samples), FRAME_SAMPLES)
        self._unsent = b""
        return page

    def end(self) -> bytes:
        """Gives what ends the stream."""
        return self._unsent + self._writer.end()
