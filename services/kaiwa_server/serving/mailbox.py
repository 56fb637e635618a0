"""What is brought to a session's handler: items in order, then an end or an error."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Items, an end or an error, put by the session's own tasks and taken in order by its handler.

    It has no bound of its own: those who put in it put no more than a window allows.
    """

    def __init__(self) -> None:
        self._items: asyncio.Queue[T | Exception] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    def put(self, item: T | Exception) -> None:
        """Puts the next item, or an error that is raised where the items are taken."""
        self._items.put_nowait(item)

    def end(self) -> None:
        """Ends the items: whoever iterates over them stops after the last one."""
        self._items.put_nowait(StopAsyncIteration())

    def run(self, filling: Coroutine[Any, Any, None]) -> None:
        """Starts a task that lives as long as the mailbox; what it raises is put in."""
        self._tasks.append(asyncio.create_task(self._guard(filling)))

    async def _guard(self, filling: Coroutine[Any, Any, None]) -> None:
        try:
            await filling
        except Exception as error:
            self.put(error)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        item = await self._items.get()
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        """Cancels the tasks, without waiting for them."""
        for task in self._tasks:
            task.cancel()
