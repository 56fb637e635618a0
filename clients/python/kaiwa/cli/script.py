"""What the user will say: questions with silence around them, and their recording in real time."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kaiwa.cli.microphone import Recorded
from kaiwa.cli.sound import PACKET_S, PACKET_SAMPLES, SAMPLE_RATE_HZ, Samples, silence


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user says after a pause: float32 [n], and how a reader is told of it."""

    name: str
    samples: Samples
    pause_s: float


@dataclass(frozen=True, slots=True)
class Question:
    """A turn's place in a script, in seconds from its beginning."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Script:
    """All that the user will say, silence included: `samples` is float32 [n], whole packets."""

    samples: Samples
    questions: tuple[Question, ...]

    @property
    def duration_s(self) -> float:
        """How long the script takes to say."""
        return len(self.samples) / SAMPLE_RATE_HZ


def write_script(turns: Sequence[Turn], *, tail_s: float) -> Script:
    """Says the turns one after the other, then nothing for `tail_s`."""
    pieces = []
    places = []
    start = 0
    for turn in turns:
        pieces += [silence(turn.pause_s), turn.samples]
        end = start + sum(map(len, pieces[-2:]))
        places.append(
            Question(turn.name, (end - len(turn.samples)) / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ)
        )
        start = end
    track = np.concatenate([*pieces, silence(tail_s)])
    track = np.pad(track, (0, -len(track) % PACKET_SAMPLES))
    return Script(track, tuple(places))


class ScriptMicrophone:
    """Records a script as a microphone would: each packet is there once its last sample is.

    The times are counted from the first packet, so that they never drift, and a packet that is late
    does not delay the ones after it.
    """

    def __init__(
        self,
        script: Script,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._samples = script.samples
        self._clock = clock
        self._sleep = sleep
        self._stopped = False

    async def packets(self) -> AsyncGenerator[Recorded, None]:
        """Gives the script's packets in real time."""
        started_s = self._clock()
        for packet in range(len(self._samples) // PACKET_SAMPLES):
            at_s = started_s + packet * PACKET_S
            wait_s = at_s + PACKET_S - self._clock()
            if wait_s > 0:
                await self._sleep(wait_s)
            if self._stopped:
                return
            start = packet * PACKET_SAMPLES
            yield Recorded(self._samples[start : start + PACKET_SAMPLES], at_s)

    def stop(self) -> None:
        """Ends the recording."""
        self._stopped = True
