"""What waits to be written to one client, with a bound."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from kaiwa_server.audio import PcmFrame
from kaiwa_server.errors import SlowConsumer
from kaiwa_server.gateway.outputs import Flushed, Output, VoiceDropped

# 400 ms of Moshi's voice: a shell takes outputs as fast as its transport takes bytes, so who has
# left more is that late, and would stay so for as long as all of it was kept.
MAX_UNREAD_FRAMES = 5


class Outbox:
    """Outputs in order, then the end.

    Above five unread frames the oldest is left out, and the client told: what is said now matters
    more to a live conversation than what was said before. Whoever must lose nothing waits for
    `room` before each `put`. Words and events are never left out; they are few, and a client that
    takes nothing for so long that it has been given up has not many of them.
    """

    def __init__(self, unread_s: float) -> None:
        self._unread_s = unread_s
        self._outputs: deque[tuple[Output, float]] = deque()  # with the time they wait since
        self._frames = 0
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None
        self.frames_dropped = 0

    def put(self, output: Output, now_s: float) -> None:
        """Puts the next output.

        Raises:
            SlowConsumer: an output has waited for too long.
        """
        waited_s = now_s - self._outputs[0][1] if self._outputs else 0.0
        if waited_s > self._unread_s:
            raise self._too_slow()
        self._outputs.append((output, now_s))
        if isinstance(output, PcmFrame):
            self._frames += 1
            if self._frames > MAX_UNREAD_FRAMES:
                self._drop_oldest_frame()
        self._changed.set()

    async def room(self) -> None:
        """Returns when a frame can be put without one being left out.

        Raises:
            SlowConsumer: nothing was taken for too long.
        """
        try:
            async with asyncio.timeout(self._unread_s):
                while self._frames >= MAX_UNREAD_FRAMES:
                    self._taken.clear()
                    await self._taken.wait()
        except TimeoutError:
            raise self._too_slow() from None

    def flush(self, step: int, now_s: float) -> None:
        """Leaves out every frame that waits, and says so in their place."""
        kept = [
            (output, at_s) for output, at_s in self._outputs if not isinstance(output, PcmFrame)
        ]
        oldest_s = min((at_s for _, at_s in self._outputs), default=now_s)
        self._outputs = deque([*kept, (Flushed(step, self._frames), oldest_s)])
        self._frames = 0
        self._changed.set()
        self._taken.set()

    def _drop_oldest_frame(self) -> None:
        place, frame, since_s = next(
            (place, output, since_s)
            for place, (output, since_s) in enumerate(self._outputs)
            if isinstance(output, PcmFrame)
        )
        self._frames -= 1
        self.frames_dropped += 1
        step, frames = frame.index + 1, 1  # the step that completed it
        if place and isinstance(before := self._outputs[place - 1][0], VoiceDropped):
            # One notice for all that is left out in a row; its age is that of the first.
            step, frames, since_s = before.step, before.frames + 1, self._outputs[place - 1][1]
            del self._outputs[place]
            place -= 1
        self._outputs[place] = (VoiceDropped(step, frames, self.frames_dropped), since_s)

    def _too_slow(self) -> SlowConsumer:
        return SlowConsumer(
            f"nothing was read for {self._unread_s:g} s: read what comes as it comes, or ask for "
            "Opus, which needs a tenth of the bytes"
        )

    @contextmanager
    def filling(self) -> Iterator[None]:
        """Ends the outputs with the `with` block; what it raises, `take` raises after the last."""
        try:
            yield
        except Exception as error:
            self._error = error
        finally:
            self._ended = True
            self._changed.set()

    async def take(self) -> Output | None:
        """Gives the next output as soon as there is one; None after the last one."""
        while not self._outputs:
            if self._error is not None:
                raise self._error
            if self._ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        output, _ = self._outputs.popleft()
        self._frames -= isinstance(output, PcmFrame)
        self._taken.set()
        return output
