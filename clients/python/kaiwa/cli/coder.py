"""Sound to what travels, and back: one coder for each conversation."""

from typing import Protocol

from kaiwa.cli.errors import CannotDo
from kaiwa.cli.sound import FRAME_SAMPLES, SAMPLE_RATE_HZ, Samples
from kaiwa.client import Encoding
from kaiwa.events import Audio
from kaiwa.g711 import G711, Law
from kaiwa.g711 import SAMPLE_RATE_HZ as TELEPHONE_RATE_HZ
from kaiwa.opus import OpusDecoder, OpusEncoder, OpusError, OpusNotInstalled
from kaiwa.resampling import Resampler


class Coder(Protocol):
    """Keeps the state of both directions of one conversation."""

    lookahead_samples: int
    """By how many samples the decoded voice is later than what went into its encoder."""

    def encode(self, samples: Samples) -> bytes | Samples:
        """Gives what `Talk.send` takes for 20 ms of the user's sound, float32 [480]."""

    def decode(self, audio: Audio) -> Samples:
        """Gives a frame of Moshi's voice as float32 [1920]."""


class OpusCoder:
    """Sends 20 ms Opus packets and decodes Moshi's 80 ms packets.

    The service encodes with the same settings of libopus, so that its encoder looks ahead as far.

    Raises:
        CannotDo: libopus is missing.
    """

    def __init__(self) -> None:
        try:
            self._encoder = OpusEncoder()
            self._decoder = OpusDecoder()
        except OpusNotInstalled as error:
            raise CannotDo(f"{error}\nor talk without Opus: --format pcm") from error
        self.lookahead_samples = self._encoder.lookahead_samples

    def encode(self, samples: Samples) -> bytes:
        """Gives the packet of 20 ms."""
        return self._encoder.encode(samples)

    def decode(self, audio: Audio) -> Samples:
        """Gives the frame's samples.

        Raises:
            CannotDo: the service sent something that is not an Opus packet of 80 ms.
        """
        try:
            samples = self._decoder.decode(audio.data)
        except OpusError as error:
            raise CannotDo(f"frame {audio.frame_index} of the reply is broken: {error}") from error
        if len(samples) != FRAME_SAMPLES:
            text = f"it has {len(samples)} samples instead of {FRAME_SAMPLES}"
            raise CannotDo(f"frame {audio.frame_index} of the reply is broken: {text}")
        return samples


class PcmCoder:
    """Sends and receives bare samples."""

    lookahead_samples = 0

    def encode(self, samples: Samples) -> Samples:
        """Gives the samples as they are."""
        return samples

    def decode(self, audio: Audio) -> Samples:
        """Gives the frame's samples.

        Raises:
            CannotDo: the service sent something that is not a PCM frame.
        """
        try:
            return audio.samples()
        except ValueError as error:
            raise CannotDo(f"frame {audio.frame_index} of the reply is broken: {error}") from error


class TelephoneCoder:
    """Sends and receives what a phone would: G.711 at 8 kHz."""

    def __init__(self, law: Law) -> None:
        self._coding = G711(law)
        self._to_telephone = Resampler(SAMPLE_RATE_HZ, TELEPHONE_RATE_HZ)
        self._from_telephone = Resampler(TELEPHONE_RATE_HZ, SAMPLE_RATE_HZ)
        # The voice is resampled twice, by the service and here.
        self.lookahead_samples = round(2 * self._from_telephone.delay_s * SAMPLE_RATE_HZ)

    def encode(self, samples: Samples) -> bytes:
        """Gives the bytes of 20 ms."""
        return self._coding.encode(self._to_telephone.resample(samples))

    def decode(self, audio: Audio) -> Samples:
        """Gives the frame's samples.

        Raises:
            CannotDo: the service sent something that is not a frame of 80 ms.
        """
        samples = self._from_telephone.resample(self._coding.decode(audio.data))
        if len(samples) != FRAME_SAMPLES:
            text = f"it has {len(samples)} samples instead of {FRAME_SAMPLES}"
            raise CannotDo(f"frame {audio.frame_index} of the reply is broken: {text}")
        return samples


def open_coder(encoding: Encoding) -> Coder:
    """Gives the coder of a conversation in this encoding.

    Raises:
        CannotDo: the encoding is Opus and libopus is missing.
    """
    match encoding:
        case "opus":
            return OpusCoder()
        case "mulaw" | "alaw":
            return TelephoneCoder(encoding)
        case _:
            return PcmCoder()
