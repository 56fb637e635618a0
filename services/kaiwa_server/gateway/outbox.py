"""What waits to be written to one client, with a bound."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from kaiwa_server.audio import PcmFrame
from kaiwa_server.errors import SlowConsumer
from kaiwa_server.gateway.outputs import Output

# 1.3 s of Moshi's voice: a shell takes outputs as fast as its transport takes bytes.
MAX_UNREAD_FRAMES = 16


class Outbox:
    """Outputs in order, then the end; `put` refuses more than a client that reads would leave."""

    def __init__(self, unread_s: float) -> None:
        self._unread_s = unread_s
        self._outputs: deque[tuple[Output, float]] = deque()
        self._frames = 0
        self._changed = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None

    def put(self, output: Output, now_s: float) -> None:
        """Puts the next output.

        Raises:
            SlowConsumer: 16 frames wait, or an output has waited for too long.
        """
        waited_s = now_s - self._outputs[0][1] if self._outputs else 0.0
        if self._frames >= MAX_UNREAD_FRAMES or waited_s > self._unread_s:
            raise SlowConsumer(
                f"{self._frames} frames wait to be read, the first output for {waited_s:.1f} s: "
                "read what comes as it comes, or ask for Opus, which needs a tenth of the bytes"
            )
        self._frames += isinstance(output, PcmFrame)
        self._outputs.append((output, now_s))
        self._changed.set()

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
        return output
