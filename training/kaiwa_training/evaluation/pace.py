"""One beat for all calls: their packets leave together, so that the services step them together."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

from kaiwa.cli.microphone import Recorded
from kaiwa.cli.sound import FRAME_S, PACKET_S

from kaiwa_training.evaluation.caller import Caller

BEATS_IN_FRAME = round(FRAME_S / PACKET_S)


class Metronome:
    """Beats every 20 ms; a beat that comes late does not move those after it."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._origin_s = clock()

    def next_frame(self) -> int:
        """The next beat on which a frame of 80 ms may begin."""
        return math.ceil((self._clock() - self._origin_s) / FRAME_S) * BEATS_IN_FRAME

    def time_of(self, beat: int) -> float:
        """When a beat is due, on the clock."""
        return self._origin_s + beat * PACKET_S

    async def wait_for(self, beat: int) -> float:
        """Waits for a beat and gives by how many seconds it comes late."""
        wait_s = self.time_of(beat) - self._clock()
        if wait_s > 0:
            await self._sleep(wait_s)
        return max(0.0, self._clock() - self.time_of(beat))


class PacedMicrophone:
    """A caller's sound at the beat: each packet is there once its last sample is."""

    def __init__(self, caller: Caller, metronome: Metronome) -> None:
        self._caller = caller
        self._metronome = metronome
        self._stopped = False
        self.latest_s = 0.0
        """By how much the latest of the packets was late."""

    async def packets(self) -> AsyncGenerator[Recorded, None]:
        """Gives the caller's packets in real time."""
        beat = self._metronome.next_frame()
        for samples in self._caller.packets():
            late_s = await self._metronome.wait_for(beat + 1)
            self.latest_s = max(self.latest_s, late_s)
            if self._stopped:
                return
            yield Recorded(samples, self._metronome.time_of(beat))
            beat += 1

    def stop(self) -> None:
        """Ends the recording."""
        self._stopped = True
