"""What an Opus line does to a voice."""

import numpy as np
from kaiwa.opus import OpusDecoder, OpusEncoder
from kaiwa_server.audio import SAMPLE_RATE_HZ
from numpy.typing import NDArray

PACKET_SAMPLES = SAMPLE_RATE_HZ // 50


def through_opus(samples: NDArray[np.float32], bitrate_bps: int) -> NDArray[np.float32]:
    """The samples [n] after an encoder and a decoder; of the same length, a little later."""
    encoder = OpusEncoder(SAMPLE_RATE_HZ, bitrate_bps)
    decoder = OpusDecoder(SAMPLE_RATE_HZ)
    padded = np.pad(samples, (0, -len(samples) % PACKET_SAMPLES))
    packets = padded.reshape(-1, PACKET_SAMPLES)
    heard = [decoder.decode(encoder.encode(packet)) for packet in packets]
    return np.concatenate(heard)[: len(samples)].astype(np.float32)
