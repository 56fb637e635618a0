"""The asyncio side of a slot: a session feeds it and awaits what its steps gave.

`serving` does not know the engine, so the step loop comes in as a protocol.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Generic, Protocol, Self, TypeVar

from kaiwa_server.errors import ModelFailed
from kaiwa_server.serving.mailbox import Mailbox

# Enough for the step loop to find every busy session ready when a step ends, and a third of a
# second of sound at most that a session can be behind inside a service.
WINDOW = 4

SettingsT = TypeVar("SettingsT", contravariant=True)
InT = TypeVar("InT")
OutT = TypeVar("OutT")
SlotInT = TypeVar("SlotInT", contravariant=True)
LoopOutT = TypeVar("LoopOutT", covariant=True)


class HeldSlot(Protocol[SlotInT]):
    """A slot held by one session."""

    def push(self, item: SlotInT) -> None:
        """Asks for one step on `item`."""

    def close(self) -> None:
        """Frees the slot at once."""


class SlotLoop(Protocol[SettingsT, SlotInT, LoopOutT]):
    """A step loop, as far as a session needs it."""

    def open(
        self, settings: SettingsT, deliver: Callable[[LoopOutT | ModelFailed], None]
    ) -> HeldSlot[SlotInT]:
        """Takes a slot, or raises `ServiceFull`."""


class SlotFeed(Generic[InT, OutT]):
    """A slot for as long as the `with` block lasts; leaving it frees the slot before any await.

    At most `WINDOW` items are on their way at a time: the next one waits until an answer has been
    taken, and so, by HTTP/2's flow control, does whoever sends faster than the answers are read.
    """

    def __init__(self, loop: SlotLoop[SettingsT, InT, OutT], settings: SettingsT) -> None:
        """Takes the slot.

        Raises:
            ServiceFull: every slot is taken.
        """
        self._answers: Mailbox[OutT] = Mailbox()
        self._room = asyncio.Semaphore(WINDOW)
        event_loop = asyncio.get_running_loop()

        def deliver(answer: OutT | ModelFailed) -> None:
            event_loop.call_soon_threadsafe(self._answers.put, answer)

        self._slot = loop.open(settings, deliver)
        self.answered = 0

    async def answer(self, item: InT) -> OutT:
        """Gives what the step on `item` wrote, for a session that has nothing else under way.

        Raises:
            ModelFailed: the step raised.
        """
        self._slot.push(item)
        answer = await anext(self._answers)
        self.answered += 1
        return answer

    async def answers(self, items: AsyncIterator[InT]) -> AsyncIterator[OutT]:
        """Gives what the step on each item wrote, in order, reading the items ahead by the window.

        What `items` raises is raised here, and what is still owed then is lost.

        Raises:
            ModelFailed: a step raised.
        """
        self._answers.run(self._feed(items))
        async for answer in self._answers:
            self._room.release()
            self.answered += 1
            yield answer

    async def _feed(self, items: AsyncIterator[InT]) -> None:
        async for item in items:
            await self._room.acquire()
            self._slot.push(item)
        # The whole window is free again once every answer has been taken.
        for _ in range(WINDOW):
            await self._room.acquire()
        self._answers.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._slot.close()
        self._answers.close()
