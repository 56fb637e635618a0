"""Under which conditions callers speak. Every sound here is a function of its arguments alone."""

from dataclasses import dataclass

import numpy as np
from kaiwa.opus import DEFAULT_BITRATE_BPS
from kaiwa_server.audio import SAMPLE_RATE_HZ

from kaiwa_training.evaluation.clips import Samples, rms_of
from kaiwa_training.sound.noise import coloured

BED_S = 8
"""Length of a noise. Its end fits its beginning, so that it goes round without a seam."""


@dataclass(frozen=True)
class Condition:
    """How the caller's sound differs from a quiet room and a clean line."""

    name: str
    gain_db: float = 0.0
    noise: tuple[float, ...] = ()
    """Noises in equal parts, each by its exponent: 0 white, 1 pink. They last the whole call."""
    snr_db: float = 20.0
    """The speech above the noise, both as rms over the speech."""
    bitrate_bps: int = DEFAULT_BITRATE_BPS
    """What the caller's own Opus encoder is told."""

    def voice(self, samples: Samples) -> Samples:
        """The caller's speech [n] at this condition's level."""
        louder: Samples = np.clip(samples * np.float32(10 ** (self.gain_db / 20)), -1, 1)
        return louder

    def bed(self, speech: Samples, seed: int) -> Samples | None:
        """What lies under the whole call that has this speech in it; None is silence."""
        if not self.noise:
            return None
        return noise_bed(self.noise, rms_of(speech) * 10 ** (-self.snr_db / 20), seed)


CLEAN = Condition("clean")
CONDITIONS = (
    CLEAN,
    Condition("white noise, 20 dB SNR", noise=(0.0,)),
    Condition("white and pink noise, 20 dB SNR", noise=(0.0, 1.0)),
    Condition("6 dB quieter", gain_db=-6.0),
    Condition("6 dB louder", gain_db=6.0),
    Condition("Opus at 16 kbit/s", bitrate_bps=16_000),
)


def noise_bed(exponents: tuple[float, ...], rms: float, seed: int) -> Samples:
    """Noises in equal parts, float32 [8 s], together at this level."""
    rng = np.random.default_rng(seed)
    parts = [coloured(BED_S * SAMPLE_RATE_HZ, rng, exponent) for exponent in exponents]
    mixed: Samples = np.sum(parts, axis=0, dtype=np.float32)
    return mixed * np.float32(rms / rms_of(mixed))
