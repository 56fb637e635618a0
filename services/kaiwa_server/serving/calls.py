"""How a call begins."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from kaiwa_server.errors import ConfigMissing, ConfigTimeout

T = TypeVar("T")


async def first_message(requests: AsyncIterator[T], timeout_s: float = 10.0) -> T:
    """Gives the first message of a call.

    Raises:
        ConfigTimeout: none came in time.
        ConfigMissing: the client half-closed without sending one.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await anext(requests)
    except TimeoutError:
        raise ConfigTimeout(
            f"no message came within {timeout_s:g} s: send the config as soon as the call is open"
        ) from None
    except StopAsyncIteration:
        raise ConfigMissing("the call ended without a message: send the config first") from None
