"""One conversation: a client's sound to the session, to the codec call, and back as outputs."""

import asyncio
from collections.abc import AsyncIterator

from kaiwa_server.errors import KaiwaError
from kaiwa_server.gateway.codec_link import CodecLink
from kaiwa_server.gateway.formats import Samples
from kaiwa_server.gateway.metrics import GatewayMetrics
from kaiwa_server.gateway.outbox import Outbox
from kaiwa_server.gateway.outputs import GoingAway
from kaiwa_server.gateway.session import Session


class Conversation:
    """A client, its session and its codec call, joined.

    Three things go on beside each other: hearing (the client's sound into the session), sending
    (frames to the codec, as far as the window allows) and receiving (steps, as outputs). None of
    them waits for the client to read: what it has not taken waits in the outbox, which has a bound.
    """

    def __init__(
        self,
        session: Session,
        link: CodecLink,
        outbox: Outbox,
        metrics: GatewayMetrics,
        draining: asyncio.Event,
        grace_ms: int,
    ) -> None:
        """Joins them.

        Args:
            session: its frames and figures.
            link: its codec call, which has been accepted.
            outbox: where the outputs are put.
            metrics: what counts its frames.
            draining: set when the gateway is about to stop; the client is told.
            grace_ms: how long it may then go on.
        """
        self._session = session
        self._link = link
        self._outbox = outbox
        self._metrics = metrics
        self._draining = draining
        self._grace_ms = grace_ms
        self._something_to_send = asyncio.Event()
        self._clock = asyncio.get_running_loop().time

    async def run(self, sounds: AsyncIterator[Samples]) -> None:
        """Returns when `sounds` has ended and all of it is answered, the summary last.

        Raises:
            SlowConsumer: the client leaves too much unread.
            KaiwaError: what `sounds` raises, or what ended the codec call.
        """
        try:
            async with asyncio.TaskGroup() as group:
                others = (self._hear(sounds), self._send(), self._announce_drain())
                tasks = [group.create_task(other) for other in others]
                await self._receive()
                for task in tasks:
                    task.cancel()
        except ExceptionGroup as errors:
            raise _first_of_ours(errors) from errors

    async def _hear(self, sounds: AsyncIterator[Samples]) -> None:
        async for samples in sounds:
            self._session.hear(samples, self._clock())
            self._something_to_send.set()
        self._session.finish(self._clock())
        self._something_to_send.set()

    async def _send(self) -> None:
        while not self._session.all_sent:
            await self._something_to_send.wait()
            self._something_to_send.clear()
            while frame := self._session.next_frame():
                self._metrics.frames_in.inc()
                await self._link.send(frame)
        await self._link.half_close()

    async def _receive(self) -> None:
        async for step in self._link.steps():
            now_s = self._clock()
            outputs, turnaround_ms = self._session.on_step(step, now_s)
            self._metrics.on_step(outputs, turnaround_ms)
            for output in outputs:
                self._outbox.put(output, now_s)
            self._something_to_send.set()
        self._outbox.put(self._session.summary(), self._clock())

    async def _announce_drain(self) -> None:
        await self._draining.wait()
        notice = GoingAway(self._session.journal.steps, self._grace_ms)
        self._outbox.put(notice, self._clock())


def _first_of_ours(errors: ExceptionGroup[Exception]) -> Exception:
    ours = [error for error in errors.exceptions if isinstance(error, KaiwaError)]
    return (ours or errors.exceptions)[0]
