"""A session's call to the LM service: the user's tokens out, steps back, the journal kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import grpc
from kaiwa.call_end import ENDED, CallEnd
from kaiwa.v1 import frames_pb2, lm_pb2, lm_pb2_grpc, settings_pb2

from kaiwa_server.audio import CodeFrame
from kaiwa_server.errors import BadRequest, LmDown, NotSupported
from kaiwa_server.journal import Journal, StepRecord, TextPiece
from kaiwa_server.serving.channels import as_kaiwa_error
from kaiwa_server.serving.frames import code_frame
from kaiwa_server.serving.mailbox import Mailbox
from kaiwa_server.serving.slot_feed import WINDOW
from kaiwa_server.serving.watchdog import Watchdog


@dataclass(frozen=True)
class LmService:
    """The LM service behind this codec: where it is and how long it may take."""

    stub: "lm_pb2_grpc.LmServiceAsyncStub"
    target: str
    accept_s: float
    answer_s: float

    def down(self, what: str) -> LmDown:
        """Gives the error that says what is wrong with it."""
        return LmDown(
            f"the LM service at {self.target} {what}: look at its log, and open a new session when "
            "it is well"
        )


@dataclass(frozen=True, slots=True)
class LmStep:
    """What one step of the LM did; `moshi_frame` is the frame that it completed, if any."""

    record: StepRecord
    moshi_frame: CodeFrame | None
    text: TextPiece | None


class LmLink:
    """A session in the LM service for as long as the `with` block lasts.

    At most `WINDOW` frames are there at a time: the next one waits until a step has been taken.
    """

    journal: Journal

    def __init__(self, service: LmService, codebooks: int, codebook_size: int) -> None:
        """Opens the call, to an LM whose voices have these codebooks."""
        self._service = service
        self._codebooks = codebooks
        self._codebook_size = codebook_size
        self._call = service.stub.Generate()
        self._end = CallEnd(self._call)
        self._responses = aiter(self._call)
        self._steps: Mailbox[LmStep] = Mailbox()
        self._room = asyncio.Semaphore(WINDOW)
        self._watchdog = Watchdog(service.answer_s, self._give_up)
        self._half_closed = False
        self._moshi_frames = 0

    async def open(self, settings: settings_pb2.SessionSettings) -> lm_pb2.GenerateAccepted:
        """Asks for a slot and gives what the LM service said when it granted one.

        Raises:
            LmDown: there is no LM service, or it does not answer in time.
            NotSupported: its codebooks are not the codec's.
            Upstream: it refused, for instance because it is full.
        """
        request = lm_pb2.GenerateRequest(config=lm_pb2.GenerateConfig(settings=settings))
        try:
            async with asyncio.timeout(self._service.accept_s):
                await self._write(request)
                response = await anext(self._responses)
        except grpc.aio.AioRpcError as error:
            raise await self._failure(error) from None
        except TimeoutError:
            what = f"did not accept the session within {self._service.accept_s:g} s"
            raise self._service.down(what) from None
        except StopAsyncIteration:
            raise self._service.down("ended the session before accepting it") from None
        if not response.HasField("accepted"):
            raise self._service.down("answered nonsense (the first response is not `accepted`)")
        self._check(response.accepted.model)
        self.journal = Journal(response.accepted.model.context_steps)
        if settings.start_policy != settings_pb2.START_POLICY_DROP_FIRST_FRAME:
            # Step 0 is owed without a frame.
            await self._room.acquire()
            self._watchdog.owe()
        return response.accepted

    async def answers(self, frames: AsyncIterator[CodeFrame]) -> AsyncIterator[LmStep]:
        """Gives the session's steps, in order, until all that the frames set off have come.

        What `frames` raises is raised here.

        Raises:
            LmDown: the LM service ended the call, leaves a frame unanswered or answers nonsense.
            Upstream: it said what is wrong itself.
        """
        self._steps.run(self._receive())
        self._steps.run(self._send(frames))
        async for step in self._steps:
            self._room.release()
            yield step

    async def _send(self, frames: AsyncIterator[CodeFrame]) -> None:
        async for frame in frames:
            await self._room.acquire()
            self._watchdog.owe()
            message = frames_pb2.CodeFrame(index=frame.index, tokens=frame.tokens)
            await self._write(lm_pb2.GenerateRequest(user_frame=message))
        self._half_closed = True
        self._watchdog.owe()  # the summary
        with suppress(*ENDED):
            await self._call.done_writing()

    async def _write(self, request: lm_pb2.GenerateRequest) -> None:
        with suppress(*ENDED):
            await self._call.write(request)

    async def _receive(self) -> None:
        finished = False
        try:
            async for response in self._responses:
                self._watchdog.settle()
                match response.WhichOneof("response"):
                    case "step":
                        self._steps.put(self._step(response.step))
                    case "summary" if self._half_closed:
                        finished = True
                    case kind:
                        raise ValueError(f"`{kind}` where a step was owed")
        except grpc.aio.AioRpcError as error:
            raise await self._failure(error) from None
        except (BadRequest, ValueError) as error:
            raise self._service.down(f"answered nonsense ({error})") from error
        if not finished:
            raise self._service.down("ended the session without a summary")
        self._steps.end()

    def _step(self, message: lm_pb2.GenerateStep) -> LmStep:
        record = StepRecord(
            step=message.record.step,
            text_token=message.record.text_token,
            moshi_tokens=tuple(message.record.moshi_tokens),
            user_tokens=tuple(message.record.user_tokens),
        )
        self.journal.append(record)
        frame = self._moshi_frame(message.moshi_frame) if message.HasField("moshi_frame") else None
        piece = message.text
        text = TextPiece(piece.step, piece.text, piece.starts_word)
        return LmStep(record, frame, text if message.HasField("text") else None)

    def _moshi_frame(self, message: frames_pb2.CodeFrame) -> CodeFrame:
        # A token outside its codebook would fail the decoder's step for every session in it.
        frame = code_frame(
            message.index,
            message.tokens,
            self._moshi_frames,
            self._codebooks,
            self._codebook_size,
        )
        self._moshi_frames += 1
        return frame

    def _check(self, model: lm_pb2.ModelInfo) -> None:
        if (model.codebooks, model.codebook_size) != (self._codebooks, self._codebook_size):
            raise NotSupported(
                f"the LM service at {self._service.target} speaks {model.codebooks} codebooks of "
                f"{model.codebook_size}, this codec {self._codebooks} of {self._codebook_size}: "
                "start both with the same checkpoint"
            )

    async def _failure(self, error: grpc.aio.AioRpcError) -> Exception:
        error = await self._end.failure() or error
        return as_kaiwa_error(error, LmDown, "LM service", self._service.target)

    def _give_up(self) -> None:
        what = f"left a frame unanswered for {self._service.answer_s:g} s"
        self._steps.put(self._service.down(what))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.close()
        self._steps.close()
        self._call.cancel()
