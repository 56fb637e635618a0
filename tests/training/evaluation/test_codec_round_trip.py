"""A voice comes back from the codec in its place."""

from pathlib import Path

import numpy as np
from kaiwa_training.evaluation.clips import rms_of
from kaiwa_training.evaluation.codec_round_trip import CodecRoundTrip

MODEL_DIR = Path(__file__).parents[3] / "services/kaiwa_server/tiny-moshi"


def test_the_copy_is_as_long_and_sounds_where_the_original_does() -> None:
    buzz = (0.2 * np.sign(np.sin(np.arange(12_001) / 30))).astype(np.float32)
    buzz[6_000:] = 0
    copy = CodecRoundTrip(MODEL_DIR).copy(buzz)
    assert copy.shape == buzz.shape and copy.dtype == np.float32
    assert rms_of(copy[1_000:6_000]) > 3 * rms_of(copy[8_000:])
