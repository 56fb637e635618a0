"""How long a service may be silent before it is given up."""

import asyncio
from collections.abc import AsyncIterator

from kaiwa.errors import KaiwaError
from kaiwa.events import Event

SILENT_FOR_S = 10.0  # frames come every 80 ms: a service that sends none this long is stuck


async def next_event(
    events: AsyncIterator[Event], silent_for_s: float = SILENT_FOR_S
) -> Event | None:
    """Gives what comes next from the service; None once the conversation has ended well.

    Raises:
        KaiwaError: the call failed, or nothing came in time.
    """
    try:
        async with asyncio.timeout(silent_for_s):
            return await anext(events, None)
    except TimeoutError:
        text = f"nothing came from the service for {silent_for_s:g} s: it seems stuck"
        raise KaiwaError("DEADLINE_EXCEEDED", "NO_ANSWER", text) from None
