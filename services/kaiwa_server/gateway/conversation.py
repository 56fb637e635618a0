"""One conversation: a client's sound to the session, to the codec call, and back as outputs."""

import asyncio
import math
from collections.abc import AsyncIterator

import numpy as np

from kaiwa_server.errors import KaiwaError
from kaiwa_server.gateway.codec_link import CodecLink
from kaiwa_server.gateway.inputs import Flush, Hold, Input, Mute, NewSettings
from kaiwa_server.gateway.metrics import GatewayMetrics
from kaiwa_server.gateway.outbox import Outbox
from kaiwa_server.gateway.outputs import GoingAway
from kaiwa_server.gateway.pace import Pace
from kaiwa_server.gateway.recording import Recording
from kaiwa_server.gateway.session import Session

# Who wakes this late has slept through what the client sent meanwhile: it is read first.
OVERSLEPT_S = 0.005


class Conversation:
    """A client, its session and its codec call, joined.

    Three things go on beside each other: hearing (the client's sound into the session), sending
    (frames to the codec, when the session says so) and receiving (steps, as outputs). In a live
    conversation none of them waits for the client to read: what it has not taken waits in the
    outbox, which has a bound. In a fast one receiving waits for it, so sending does, and hearing.
    """

    def __init__(
        self,
        session: Session,
        link: CodecLink,
        outbox: Outbox,
        metrics: GatewayMetrics,
        pace: Pace,
        draining: asyncio.Event,
        grace_ms: int,
        recording: Recording | None = None,
    ) -> None:
        """Joins them.

        Args:
            session: its frames and figures.
            link: its codec call, which has been accepted.
            outbox: where the outputs are put.
            metrics: what counts its frames.
            pace: whose time it keeps.
            draining: set when the gateway is about to stop; the client is told.
            grace_ms: how long it may then go on.
            recording: what keeps it, if anything does.
        """
        self._recording = recording
        self._session = session
        self._link = link
        self._outbox = outbox
        self._metrics = metrics
        self._pace = pace
        self._draining = draining
        self._grace_ms = grace_ms
        self._new_settings: dict[str, float] = {}
        self._something_to_send = asyncio.Event()
        self._sent = asyncio.Event()
        self._clock = asyncio.get_running_loop().time

    async def run(self, inputs: AsyncIterator[Input]) -> None:
        """Returns when `inputs` has ended and all of it is answered, the summary last.

        Raises:
            SlowConsumer: the client reads nothing for too long.
            HoldTooLong: the client leaves it on hold.
            KaiwaError: what `inputs` raises, or what ended the codec call.
        """
        try:
            async with asyncio.TaskGroup() as group:
                others = (self._hear(inputs), self._send(), self._announce_drain())
                tasks = [group.create_task(other) for other in others]
                await self._receive()
                for task in tasks:
                    task.cancel()
        except ExceptionGroup as errors:
            raise _first_of_ours(errors) from errors
        finally:
            self._metrics.voice_frames_dropped.inc(self._outbox.frames_dropped)

    async def _hear(self, inputs: AsyncIterator[Input]) -> None:
        async for said in inputs:
            if not isinstance(said, np.ndarray):
                while self._session.must_send_first:
                    await self._until_sent()
            self._take_in(said, self._clock())
            self._something_to_send.set()
            while self._session.full:
                await self._until_sent()
        self._session.finish(self._clock())
        self._something_to_send.set()

    async def _until_sent(self) -> None:
        self._sent.clear()
        await self._sent.wait()

    def _take_in(self, said: Input, now_s: float) -> None:
        match said:
            case Mute(muted):
                self._session.mute(muted, now_s)
            case Hold(held):
                self._session.hold(held, now_s)
            case Flush():
                self._outbox.flush(self._session.journal.steps, now_s)
            case NewSettings(given):
                self._new_settings |= given
            case samples:
                self._session.hear(samples, now_s)

    async def _send(self) -> None:
        while not self._session.all_sent:
            await self._until_something_to_send()
            await self._send_settings()
            while frame := self._session.next_frame(self._clock()):
                self._metrics.frames_in.inc()
                if self._recording:
                    self._recording.hear(frame)
                await self._link.send(frame)
                self._sent.set()
                await self._send_settings()
        await self._link.half_close()

    async def _send_settings(self) -> None:
        while self._new_settings:
            settings, self._new_settings = self._new_settings, {}
            await self._link.change(settings)

    async def _until_something_to_send(self) -> None:
        next_s = self._session.next_frame_s
        try:
            async with asyncio.timeout_at(None if next_s == math.inf else next_s):
                await self._something_to_send.wait()
        except TimeoutError:
            if self._clock() > next_s + OVERSLEPT_S:
                await asyncio.sleep(OVERSLEPT_S)
        self._something_to_send.clear()

    async def _receive(self) -> None:
        async for step in self._link.steps():
            if self._pace is Pace.FAST:
                await self._outbox.room()
            now_s = self._clock()
            outputs, turnaround_ms = self._session.on_step(step, now_s)
            self._metrics.on_step(outputs, turnaround_ms)
            if self._recording:
                outputs += self._recording.on_step(step)
            for output in outputs:
                self._outbox.put(output, now_s)
            self._something_to_send.set()
        summary = self._session.summary(self._outbox.frames_dropped)
        self._outbox.put(summary, self._clock())

    async def _announce_drain(self) -> None:
        await self._draining.wait()
        notice = GoingAway(self._session.journal.steps, self._grace_ms)
        self._outbox.put(notice, self._clock())


def _first_of_ours(errors: ExceptionGroup[Exception]) -> Exception:
    ours = [error for error in errors.exceptions if isinstance(error, KaiwaError)]
    return (ours or errors.exceptions)[0]
