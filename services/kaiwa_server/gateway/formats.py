"""What clients send and want to hear: bytes to samples and back, one object for each direction."""

from enum import Enum
from typing import Protocol, runtime_checkable

import numpy as np
from kaiwa.opus import (
    SAMPLE_RATES_HZ,
    OpusDecoder,
    OpusEncoder,
    OpusError,
    OpusPacketTooLarge,
)
from numpy.typing import NDArray

from kaiwa_server.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from kaiwa_server.errors import BadFrame, BadOpus, PacketTooLarge, UnsupportedAudio
from kaiwa_server.gateway.ogg import OggOpusReader, OggOpusWriter

Samples = NDArray[np.float32]

MAX_PCM_SAMPLES = SAMPLE_RATE_HZ * 120 // 1000
# A live client sends a fraction of it. The bytes of a message say little: 26 KB can be 18 minutes.
MAX_OGG_MESSAGE_SAMPLES = SAMPLE_RATE_HZ * 2
# Above this a sample is no loud sound but an integer that was written as a float.
MAX_FLOAT_SAMPLE = 16.0


class Coding(Enum):
    """How samples are written in a message; the values are what error texts call them."""

    OPUS = "Opus"
    PCM_S16LE = "PCM of 16-bit integers"
    PCM_F32LE = "PCM of 32-bit floats"


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
    _check_rate(coding, sample_rate_hz)
    return OpusPacketDecoder() if coding is Coding.OPUS else PcmDecoder(coding)


def encoder_of(coding: Coding, sample_rate_hz: int) -> SoundEncoder:
    """Gives the encoder of what a client wants to hear; a rate of 0 is the default.

    Raises:
        UnsupportedAudio: the rate is not taken.
    """
    _check_rate(coding, sample_rate_hz)
    return OpusEncoder() if coding is Coding.OPUS else PcmEncoder(coding)


def _check_rate(coding: Coding, sample_rate_hz: int) -> None:
    rates = SAMPLE_RATES_HZ if coding is Coding.OPUS else (SAMPLE_RATE_HZ,)
    if sample_rate_hz not in (0, *rates):
        supported = ", ".join(str(rate) for rate in rates)
        raise UnsupportedAudio(
            f"{coding.value} at {sample_rate_hz} Hz is not taken: send it at {supported} Hz"
        )


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
            raise BadOpus("this is an Ogg page: send raw Opus packets, or use /api/chat")
        try:
            return self._opus.decode(data)
        except OpusPacketTooLarge as error:
            raise PacketTooLarge(str(error)) from error
        except OpusError as error:
            raise BadOpus(str(error)) from error

    def conceal(self, samples: int) -> Samples:
        """Gives libopus's guess at so many samples of a lost packet."""
        return self._opus.conceal(samples)


class PcmDecoder:
    """Decodes messages of little-endian PCM at 24 kHz, at most 120 ms each."""

    def __init__(self, coding: Coding) -> None:
        self._coding = coding
        self._type = np.dtype("<i2" if coding is Coding.PCM_S16LE else "<f4")

    def decode(self, data: bytes) -> Samples:
        """Gives the samples of one message.

        Raises:
            BadFrame: not a whole number of samples, or a sample that is not a sound.
            PacketTooLarge: over 120 ms.
        """
        size = self._type.itemsize
        if len(data) % size:
            raise BadFrame(
                f"{len(data)} bytes are not a whole number of samples: "
                f"{self._coding.value} has {size} bytes in each"
            )
        if len(data) > MAX_PCM_SAMPLES * size:
            raise PacketTooLarge(
                f"a message has at most {MAX_PCM_SAMPLES} samples (120 ms), "
                f"this one has {len(data) // size}: send sound as it is recorded"
            )
        samples = np.frombuffer(data, self._type).astype(np.float32)
        if self._coding is Coding.PCM_S16LE:
            return samples / np.float32(32_768)
        # NaN compares as False, so this finds it too.
        if not (np.abs(samples) <= MAX_FLOAT_SAMPLE).all():
            raise BadFrame(
                "a sample is NaN, infinite or far outside [-1, 1]: "
                "send 32-bit floats in [-1, 1], or 16-bit integers as PCM_S16LE"
            )
        return samples.clip(-1.0, 1.0)


class PcmEncoder:
    """Writes frames as little-endian PCM at 24 kHz."""

    def __init__(self, coding: Coding) -> None:
        self._coding = coding

    def encode(self, samples: Samples) -> bytes:
        """Gives the bytes of float32 [n] in [-1, 1]."""
        if self._coding is Coding.PCM_F32LE:
            return samples.astype("<f4").tobytes()
        return np.round(samples.clip(-1.0, 1.0) * 32_767).astype("<i2").tobytes()


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
        for packet in self._reader.feed(data):
            sound.append(self._packets.decode(packet))
            total += len(sound[-1])
            if total > MAX_OGG_MESSAGE_SAMPLES:
                raise PacketTooLarge(
                    "a message holds at most 2 s of sound: send it as it is recorded"
                )
        return np.concatenate(sound)

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
