"""The real time of a recording: when each packet of 20 ms is there."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

from kaiwa.cli.sound import PACKET_S


class Pace:
    """Waits for packets as a microphone would: each is there once its last sample is.

    The times are counted from the first packet, so that they never drift, and a packet that is late
    does not delay the ones after it.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._stopped = False

    async def packets(self, count: int) -> AsyncGenerator[tuple[int, float], None]:
        """Gives each packet's number, and when its first sample was recorded, in s."""
        started_s = self._clock()
        for packet in range(count):
            at_s = started_s + packet * PACKET_S
            wait_s = at_s + PACKET_S - self._clock()
            if wait_s > 0:
                await self._sleep(wait_s)
            if self._stopped:
                return
            yield packet, at_s

    def stop(self) -> None:
        """Ends `packets` within a packet's time."""
        self._stopped = True
