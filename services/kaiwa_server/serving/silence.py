"""A caller that is there for HTTP/2 and says nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from kaiwa_server.errors import ClientSilent

T = TypeVar("T")


async def unless_silent(
    requests: AsyncIterator[T], silence_s: float, excused: Callable[[], bool] = lambda: False
) -> AsyncIterator[T]:
    """Gives the messages of a call for as long as they keep coming.

    Args:
        requests: the messages.
        silence_s: how long none may come.
        excused: asked after each message: whether the next one may take as long as it likes.

    Raises:
        ClientSilent: no message came, and no half-close, for `silence_s` seconds.
    """
    while True:
        try:
            async with asyncio.timeout(None if excused() else silence_s):
                request = await anext(requests)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise ClientSilent(
                f"nothing came for {silence_s:g} s: send every frame as it is recorded, silence "
                "too, or half-close the call"
            ) from None
        yield request
