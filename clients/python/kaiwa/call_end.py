"""How a call really ended."""

import asyncio
import time
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

import grpc

from kaiwa.errors import KaiwaError, error_from

LATE_WRITE = "Internal error from Core"
STATUS_WITHIN_S = 1.0
LOOK_EVERY_S = 0.01

ResultT = TypeVar("ResultT")


class CallEnd:
    """Keeps the status that the service ended a call with.

    grpc.aio sets the status to INTERNAL, "Internal error from Core", when a message is written just
    after the service has ended the call (https://github.com/grpc/grpc/issues/36066). That may come
    over the service's own status, so the first one is noted; or before it, so it is looked for.
    """

    def __init__(self, call: grpc.aio.Call, target: str) -> None:
        self._call = call
        self._target = target
        self._known = False
        self._error: KaiwaError | None = None
        call.add_done_callback(self._note)

    async def error(self) -> KaiwaError | None:
        """Gives the error that the call, which is done, ended with; None for OK."""
        deadline_s = time.monotonic() + STATUS_WITHIN_S
        self._note(self._call)
        while not self._known and time.monotonic() < deadline_s:
            await asyncio.sleep(LOOK_EVERY_S)
            self._note(self._call)
        if not self._known:
            return KaiwaError("INTERNAL", "INTERNAL", f"the call to {self._target} broke")
        return self._error

    def _note(self, call: grpc.aio.Call) -> None:
        status, details = _at_once(call.code()), _at_once(call.details())
        if self._known or details == LATE_WRITE:
            return
        if status is not grpc.StatusCode.OK:
            trailers = _at_once(call.trailing_metadata()) or ()
            self._error = error_from(status.name, details, trailers, self._target)
        self._known = True


def _at_once(awaitable: Coroutine[Any, Any, ResultT] | Generator[Any, Any, ResultT]) -> ResultT:
    # A call that is done answers without waiting.
    try:
        awaitable.send(None)
    except StopIteration as answer:
        result: ResultT = answer.value
        return result
    raise AssertionError("the call is not done")
