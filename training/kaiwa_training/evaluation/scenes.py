"""Calls as they are planned: who says what in which condition, and what is to come of it."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from kaiwa.cli.sound import PACKET_SAMPLES

from kaiwa_training.evaluation.caller import GREETING_S, Caller, GoOn, Turn, once_answered
from kaiwa_training.evaluation.clips import Clip, Samples, speech_of
from kaiwa_training.evaluation.conditions import CLEAN, Condition, noise_bed


class Scene(StrEnum):
    """What happens in a call."""

    TWO_QUESTIONS = "two questions"
    NOT_UNDERSTOOD = "not understood"
    FIVE_QUESTIONS = "five questions"
    INTERRUPTION = "interruption"
    SILENCE = "silence"
    NOISE = "noise"


@dataclass(frozen=True)
class PlannedCall:
    """A call to be held and judged; its name, and with it its seed, follows from what it is."""

    scene: Scene
    clips: tuple[Clip, ...]
    condition: Condition = CLEAN
    go_on: GoOn = once_answered
    """When the next question begins; the last answer is always waited for."""
    lead_s: float = GREETING_S
    number: int = 0
    """Tells calls without questions apart."""
    bed: tuple[tuple[float, ...], float] | None = None
    """Noise without speech: its exponents and its level (rms)."""

    @property
    def name(self) -> str:
        """What tells the call apart from every other one."""
        said = "+".join(clip.name for clip in self.clips) or str(self.number)
        return f"{self.scene} / {self.condition.name} / {said}"

    @property
    def seed(self) -> int:
        """The seed of everything in the call that is left to chance."""
        return zlib.crc32(self.name.encode())

    def caller(self) -> Caller:
        """The caller, ready to speak. Takes some 20 ms where there is noise to make."""
        rng = np.random.default_rng(self.seed)
        voices = [self.condition.voice(speech_of(clip.samples)) for clip in self.clips]
        waits = [*[self.go_on] * (len(voices) - 1), once_answered]
        turns = [
            Turn(_shifted(voice, rng), wait) for voice, wait in zip(voices, waits, strict=False)
        ]
        return Caller(turns, self._bed(voices), self.lead_s)

    def _bed(self, voices: Sequence[Samples]) -> Samples | None:
        if self.bed is not None:
            exponents, rms = self.bed
            return noise_bed(exponents, rms, self.seed)
        return self.condition.bed(np.concatenate(voices), self.seed) if voices else None


def _shifted(voice: Samples, rng: np.random.Generator) -> Samples:
    """The voice after less than a packet of silence: people do not begin on a packet's edge."""
    return np.pad(voice, (int(rng.integers(PACKET_SAMPLES)), 0))
