"""Ctrl-C as a polite wish: the first one asks, the second one insists."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class Interrupt:
    """Whether Ctrl-C was pressed."""

    pressed: bool = False


@contextlib.contextmanager
def on_interrupt(ask: Callable[[], None]) -> Iterator[Interrupt]:
    """Calls `ask` in the event loop at the first Ctrl-C; the second one interrupts as ever."""
    loop = asyncio.get_running_loop()
    interrupt = Interrupt()
    before = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: FrameType | None) -> None:
        interrupt.pressed = True
        signal.signal(signal.SIGINT, before)
        loop.call_soon_threadsafe(ask)

    signal.signal(signal.SIGINT, handle)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
