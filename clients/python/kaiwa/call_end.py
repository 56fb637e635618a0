"""How a call really ended."""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

import grpc

from kaiwa.errors import KaiwaError, error_from

LATE_WRITE = "Internal error from Core"
STATUS_WITHIN_S = 1.0

ResultT = TypeVar("ResultT")


class CallEnd:
    """Keeps the status that the service ended a call with.

    grpc.aio replaces that status by INTERNAL, "Internal error from Core", when a message is written
    just after the service has ended the call, and so hides why it did
    (https://github.com/grpc/grpc/issues/36066). The status is noted here before it can be replaced.
    """

    def __init__(self, call: grpc.aio.Call, target: str) -> None:
        self._target = target
        self._known = asyncio.Event()
        self._error: KaiwaError | None = None
        call.add_done_callback(self._note)

    async def error(self) -> KaiwaError | None:
        """Gives the error that the call ended with, None for OK; waits for the end to be known."""
        try:
            async with asyncio.timeout(STATUS_WITHIN_S):
                await self._known.wait()
        except TimeoutError:
            return KaiwaError("INTERNAL", "INTERNAL", f"the call to {self._target} broke")
        return self._error

    def _note(self, call: grpc.aio.Call) -> None:
        status, details = _at_once(call.code()), _at_once(call.details())
        if self._known.is_set() or details == LATE_WRITE:
            return
        if status is not grpc.StatusCode.OK:
            trailers = _at_once(call.trailing_metadata()) or ()
            self._error = error_from(status.name, details, trailers, self._target)
        self._known.set()


def _at_once(awaitable: Coroutine[Any, Any, ResultT] | Generator[Any, Any, ResultT]) -> ResultT:
    # A call that is done answers without waiting.
    try:
        awaitable.send(None)
    except StopIteration as answer:
        result: ResultT = answer.value
        return result
    raise AssertionError("the call is not done")
