"""A session's call to the service behind: opened, watched, read to its end.

Both such calls have one shape: `config` is answered by `accepted`, each frame by a `step`, and the
half-close by a `summary`.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar

import grpc
from kaiwa.call_end import ENDED, CallEnd

from kaiwa_server.errors import BadRequest, KaiwaError
from kaiwa_server.journal import Sampling, StepRecord, TextPiece
from kaiwa_server.serving.channels import as_kaiwa_error
from kaiwa_server.serving.mailbox import Mailbox
from kaiwa_server.serving.watchdog import Watchdog

StepT = TypeVar("StepT")


@dataclass(frozen=True)
class ServiceBehind:
    """A service that this one calls: where it is and how long it may take."""

    stub: Any
    target: str
    accept_s: float
    answer_s: float

    name: ClassVar[str]
    error: ClassVar[type[KaiwaError]]

    def down(self, what: str) -> KaiwaError:
        """Gives the error that says what is wrong with it."""
        return self.error(
            f"the {self.name} at {self.target} {what}: look at its log, and open a new session "
            "when it is well"
        )


class Link(ABC, Generic[StepT]):
    """A session in the service behind for as long as the `with` block lasts."""

    _call: Any
    _end: CallEnd
    _responses: AsyncIterator[Any]

    def __init__(self, service: ServiceBehind, begin: Callable[[], Any]) -> None:
        """`begin` begins the call, which the `with` block does."""
        self._service = service
        self._begin = begin
        self._steps: Mailbox[StepT] = Mailbox()
        self._watchdog = Watchdog(service.answer_s, self._give_up)
        self._half_closed = False

    @abstractmethod
    def _step(self, message: Any) -> StepT:
        """Reads a step.

        Raises:
            BadRequest: a frame in it is wrong.
            ValueError: it is not the step that follows.
        """

    async def _accepted(self, request: Any) -> Any:
        """Sends the config and gives what the service said when it granted a slot.

        Raises:
            KaiwaError: the service is down, does not answer in time, or refused.
        """
        try:
            async with asyncio.timeout(self._service.accept_s):
                await self._write(request)
                response = await anext(self._responses)
        except TimeoutError:
            what = f"did not accept the session within {self._service.accept_s:g} s"
            raise self._service.down(what) from None
        except (grpc.aio.AioRpcError, StopAsyncIteration):
            ended = self._service.down("ended the session before accepting it")
            raise await self._failure() or ended from None
        if not response.HasField("accepted"):
            raise self._service.down("answered nonsense (the first response is not `accepted`)")
        return response.accepted

    async def _ask(self, request: Any) -> None:
        """Sends a frame, which a step is owed for."""
        self._watchdog.owe()
        await self._write(request)

    async def half_close(self) -> None:
        """Says that the user has finished; the call ends when all that is owed has come."""
        self._half_closed = True
        self._watchdog.owe()  # the summary
        with suppress(*ENDED):
            await self._call.done_writing()

    def steps(self) -> AsyncIterator[StepT]:
        """Gives the session's steps, in order, until the call has ended as it should.

        The iterator raises:
            KaiwaError: the service ended the call, leaves a frame unanswered or answers nonsense;
                or it said what is wrong itself.
        """
        self._steps.run(self._receive())
        return self._steps

    async def _write(self, request: Any) -> None:
        # When the call has ended, the reading side has the reason.
        with suppress(*ENDED):
            await self._call.write(request)

    async def _receive(self) -> None:
        kind = ""
        try:
            async for response in self._responses:
                self._watchdog.settle()
                kind = response.WhichOneof("response")
                last = self._half_closed and not self._watchdog.owed
                owed = "summary" if last else "step"
                if kind != owed:
                    raise ValueError(f"`{kind}` where a {owed} was owed")
                if not last:
                    self._steps.put(self._step(response.step))
        except grpc.aio.AioRpcError:
            if (failure := await self._failure()) is not None:
                raise failure from None
        except (BadRequest, ValueError) as error:
            raise self._service.down(f"answered nonsense ({error})") from error
        if kind != "summary":
            raise self._service.down("ended the session without a summary")
        self._steps.end()

    async def _failure(self) -> KaiwaError | None:
        """Gives what the call, which is done, failed with; None if the service ended it with OK."""
        error = await self._end.failure()
        if error is None:
            return None
        return as_kaiwa_error(error, self._service.error, self._service.name, self._service.target)

    def _give_up(self) -> None:
        what = f"left a frame unanswered for {self._service.answer_s:g} s"
        self._steps.put(self._service.down(what))

    def __enter__(self) -> Self:
        self._call = self._begin()
        self._end = CallEnd(self._call)
        self._responses = aiter(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.close()
        self._steps.close()
        self._call.cancel()


def record_of(message: Any) -> StepRecord:
    """Gives the record of a step's message."""
    return StepRecord(
        step=message.record.step,
        text_token=message.record.text_token,
        moshi_tokens=tuple(message.record.moshi_tokens),
        user_tokens=tuple(message.record.user_tokens),
        sampling=_sampling_of(message.record),
    )


def _sampling_of(record: Any) -> Sampling | None:
    if not record.HasField("sampling"):
        return None
    return Sampling(
        text_temperature=record.sampling.text_temperature,
        text_top_k=record.sampling.text_top_k,
        audio_temperature=record.sampling.audio_temperature,
        audio_top_k=record.sampling.audio_top_k,
    )


def text_of(message: Any) -> TextPiece | None:
    """Gives the words of a step's message, if it has any."""
    piece = message.text
    if not message.HasField("text"):
        return None
    return TextPiece(piece.step, piece.text, piece.starts_word)
