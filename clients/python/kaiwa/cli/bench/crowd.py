"""All sessions of a load, at once."""

import asyncio
import time
from collections.abc import Callable, Sequence

from kaiwa.cli.bench.caller import Caller
from kaiwa.cli.bench.load import Load
from kaiwa.cli.bench.record import Record
from kaiwa.cli.bench.speech import Speech


class Crowd:
    """Holds the sessions; `records` is what came of each of them, also while they last."""

    def __init__(
        self, load: Load, speech: Speech, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._callers = [Caller(number, load, speech) for number in range(load.sessions)]
        self._clock = clock
        self._calls: list[asyncio.Task[None]] = []

    @property
    def records(self) -> Sequence[Record]:
        """One for each session, in the order in which they join."""
        return [caller.record for caller in self._callers]

    async def talk(self) -> None:
        """Talks until every session has ended, for whatever reason."""
        started_s = self._clock()
        async with asyncio.TaskGroup() as group:
            self._calls = [group.create_task(each.call(started_s)) for each in self._callers]

    def stop(self) -> None:
        """Lets those that talk finish, and those that wait for an answer wait no longer."""
        for caller, call in zip(self._callers, self._calls, strict=True):
            if caller.record.ready is None:
                call.cancel()
            else:
                caller.stop()
