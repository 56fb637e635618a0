"""One caller: what goes into the microphone, packet by packet, as an answer to what is heard.

No network and no clock: the caller's time is the sound that has been spoken.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from kaiwa.cli.sound import PACKET_S, PACKET_SAMPLES, SAMPLE_RATE_HZ
from kaiwa.events import Text

from kaiwa_training.evaluation.clips import Samples

GREETING_S = 3.5
LONGEST_ANSWER_S = 6.0
ANSWER_OVER_S = 1.5
"""So long after its last word began, an answer is over: the word itself, and 0.6 s and more."""
INTERRUPT_AFTER_S = 0.8

GoOn = Callable[[float, Sequence[float]], bool]
"""Whether a caller goes on, by the seconds since the question's end: now, and of Moshi's words."""


@dataclass(frozen=True)
class Turn:
    """A question, float32 [n], which ends with speech, and what comes after it."""

    samples: Samples
    go_on: GoOn


@dataclass(frozen=True)
class Asked:
    """When a question was spoken, in seconds of the call."""

    start_s: float
    end_s: float


def once_answered(now_s: float, words_s: Sequence[float]) -> bool:
    """Waits for the answer's end, or 6 s."""
    over = bool(words_s) and now_s - words_s[-1] >= ANSWER_OVER_S
    return over or now_s >= LONGEST_ANSWER_S


def while_it_speaks(now_s: float, words_s: Sequence[float]) -> bool:
    """Waits for 0.8 s of the answer, or 6 s for its first word."""
    begun = bool(words_s) and now_s - words_s[0] >= INTERRUPT_AFTER_S
    return begun or now_s >= LONGEST_ANSWER_S


@dataclass
class Caller:
    """Listens to the greeting, asks, waits, asks again, and hangs up."""

    turns: Sequence[Turn]
    bed: Samples | None = None
    """Noise under the whole call; it goes round."""
    lead_s: float = GREETING_S
    asked: list[Asked] = field(default_factory=list)
    _words_s: list[float] = field(default_factory=list)
    _spoken_packets: int = 0

    def hear(self, piece: Text) -> None:
        """Takes a piece of what Moshi says."""
        if piece.starts_word:
            self._words_s.append(piece.time_ms / 1000)

    def packets(self) -> Iterator[Samples]:
        """Gives the next 20 ms, float32 [480], until the caller hangs up."""
        nothing = np.zeros(PACKET_SAMPLES, np.float32)
        while self._now_s < self.lead_s:
            yield self._packet(nothing)
        for turn in self.turns:
            start_s = self._now_s
            end_s = start_s + len(turn.samples) / SAMPLE_RATE_HZ
            self.asked.append(Asked(start_s, end_s))
            padded = np.pad(turn.samples, (0, -len(turn.samples) % PACKET_SAMPLES))
            for packet in padded.reshape(-1, PACKET_SAMPLES):
                yield self._packet(packet)
            while not turn.go_on(self._now_s - end_s, self._since(end_s)):
                yield self._packet(nothing)

    @property
    def _now_s(self) -> float:
        return self._spoken_packets * PACKET_S

    def _since(self, end_s: float) -> list[float]:
        return [word_s - end_s for word_s in self._words_s if word_s >= end_s]

    def _packet(self, voice: Samples) -> Samples:
        places = np.arange(PACKET_SAMPLES) + self._spoken_packets * PACKET_SAMPLES
        self._spoken_packets += 1
        if self.bed is None:
            return voice
        mixed: Samples = np.clip(voice + self.bed[places % len(self.bed)], -1, 1)
        return mixed
