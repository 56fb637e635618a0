"""One session of the load: it speaks without a stop and notes when each frame comes."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from kaiwa.cli.bench.load import Load
from kaiwa.cli.bench.record import Record
from kaiwa.cli.bench.speech import Speech
from kaiwa.cli.pace import Pace
from kaiwa.cli.patience import next_event
from kaiwa.cli.sound import FRAME_S, PACKET_S
from kaiwa.client import Settings, Talk, connect
from kaiwa.errors import KaiwaError
from kaiwa.events import Audio, FramesConcealed, FramesDropped, Summary


class Caller:
    """Says the speech from a place of its own, with a seed of its own; `record` is what came.

    Moshi's packets are not decoded: a frame can sound once it has arrived and the codec's lookahead
    has passed.
    """

    def __init__(
        self,
        number: int,
        load: Load,
        speech: Speech,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.record = Record()
        self._number = number
        self._load = load
        self._speech = speech
        self._clock = clock
        self._sleep = sleep
        self._pace = Pace(clock, sleep)
        self._stopped = False

    async def call(self, started_s: float) -> None:
        """Joins a load that started then, and talks to the end; what fails is in the record."""
        offset_s = self._load.offset_s(self._number)
        await self._sleep(offset_s)
        try:
            async with connect(self._load.server, settings=Settings(seed=self._number)) as talk:
                self.record.ready = talk.ready
                # To open a session takes now longer and now shorter: its own instant comes again.
                await self._sleep((started_s + offset_s - self._clock()) % FRAME_S)
                await self._converse(talk)
        except KaiwaError as error:
            self.record.failure = error

    def stop(self) -> None:
        """Ends the talk as if all had been said."""
        self._stopped = True
        self._pace.stop()

    async def _converse(self, talk: Talk) -> None:
        listening = asyncio.create_task(self._listen(talk))
        try:
            await self._speak(talk)
            await listening
            if not self._stopped and len(self.record.sent_late_ms) < self._load.packets:
                raise KaiwaError("OK", "ENDED", "the service ended the session before its time")
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _speak(self, talk: Talk) -> None:
        start = self._number / self._load.sessions
        # What ended the call is told by the listening task.
        with contextlib.suppress(KaiwaError):
            async with contextlib.aclosing(self._pace.packets(self._load.packets)) as times:
                async for packet, at_s in times:
                    if packet == 0:
                        self.record.started_s = at_s
                    late_s = self._clock() - at_s - PACKET_S
                    self.record.sent_late_ms.append(late_s * 1000)
                    await talk.send(self._speech.packet(packet, start))
            await talk.end()

    async def _listen(self, talk: Talk) -> None:
        try:
            while (event := await next_event(talk)) is not None:
                match event:
                    case Audio():
                        audible_s = self._clock() + self._speech.lookahead_s
                        self.record.audible_at_s[event.frame_index] = audible_s
                    case FramesDropped():
                        self.record.drops.append(event)
                    case FramesConcealed():
                        self.record.conceals.append(event)
                    case Summary():
                        self.record.summary = event
        finally:
            self._pace.stop()
