"""What the user will say: questions with silence around them, and their recording in real time."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kaiwa.cli.microphone import Recorded
from kaiwa.cli.pace import Pace
from kaiwa.cli.sound import PACKET_SAMPLES, SAMPLE_RATE_HZ, Samples, silence


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
    """Records a script as a microphone would: each packet is there once its last sample is."""

    def __init__(
        self,
        script: Script,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._samples = script.samples
        self._pace = Pace(clock, sleep)

    async def packets(self) -> AsyncGenerator[Recorded, None]:
        """Gives the script's packets in real time."""
        packets = self._samples.reshape(-1, PACKET_SAMPLES)  # [packets, 480]
        async with contextlib.aclosing(self._pace.packets(len(packets))) as times:
            async for packet, at_s in times:
                yield Recorded(packets[packet], at_s)

    def stop(self) -> None:
        """Ends the recording."""
        self._pace.stop()
