"""What the sessions say: Opus packets that are made once, so that saying them costs little."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kaiwa.cli.errors import CannotDo
from kaiwa.cli.questions import read_script
from kaiwa.cli.sound import PACKET_SAMPLES, SAMPLE_RATE_HZ
from kaiwa.opus import OpusEncoder, OpusNotInstalled

PAUSE_S = 5.0  # room for an answer


@dataclass(frozen=True, slots=True)
class Speech:
    """Questions and pauses as Opus packets of 20 ms, to be said over and over."""

    packets: Sequence[bytes]
    lookahead_s: float
    """How late the sound that is decoded from such packets is."""

    def packet(self, number: int, start: float) -> bytes:
        """Gives a packet to one who began at `start`, from 0 to 1, of the whole."""
        return self.packets[(round(start * len(self.packets)) + number) % len(self.packets)]


def encode_speech() -> Speech:
    """Encodes the questions that come with Kaiwa, a pause after each of them.

    Raises:
        CannotDo: libopus is missing.
    """
    try:
        encoder = OpusEncoder()
    except OpusNotInstalled as error:
        raise CannotDo(str(error)) from error
    script = read_script(None, lead_s=0, gap_s=PAUSE_S, tail_s=PAUSE_S)
    packets = np.split(script.samples, len(script.samples) // PACKET_SAMPLES)
    lookahead_s = encoder.lookahead_samples / SAMPLE_RATE_HZ
    return Speech([encoder.encode(samples) for samples in packets], lookahead_s)
