"""A session's call to the LM service: the user's tokens out, steps back, the journal kept."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from kaiwa.v1 import frames_pb2, lm_pb2, lm_pb2_grpc, settings_pb2

from kaiwa_server.audio import CodeFrame
from kaiwa_server.errors import LmDown, NotSupported
from kaiwa_server.journal import Journal, StepRecord, TextPiece
from kaiwa_server.serving.frames import code_frame
from kaiwa_server.serving.link import Link, ServiceBehind, record_of, text_of
from kaiwa_server.serving.slot_feed import WINDOW


@dataclass(frozen=True)
class LmService(ServiceBehind):
    """The LM service behind this codec."""

    name = "LM service"
    error = LmDown

    stub: "lm_pb2_grpc.LmServiceAsyncStub"


@dataclass(frozen=True, slots=True)
class NewSettings:
    """What a session asks of the model from its next frame on; the LM service judges it."""

    message: settings_pb2.SessionSettings


@dataclass(frozen=True, slots=True)
class LmStep:
    """What one step of the LM did; `moshi_frame` is the frame that it completed, if any."""

    record: StepRecord
    moshi_frame: CodeFrame | None
    text: TextPiece | None


class LmLink(Link[LmStep]):
    """A session in the LM service for as long as the `with` block lasts.

    At most `WINDOW` frames are there at a time: the next one waits until a step has been taken.
    """

    journal: Journal

    def __init__(self, service: LmService, codebooks: int, codebook_size: int) -> None:
        """Links to an LM whose voices have these codebooks."""
        super().__init__(service, service.stub.Generate)
        self._codebooks = codebooks
        self._codebook_size = codebook_size
        self._room = asyncio.Semaphore(WINDOW)
        self._moshi_frames = 0

    async def open(self, settings: settings_pb2.SessionSettings) -> lm_pb2.GenerateAccepted:
        """Asks for a slot and gives what the LM service said when it granted one.

        Raises:
            LmDown: there is no LM service, or it does not answer in time.
            NotSupported: its codebooks are not the codec's.
            Upstream: it refused, for instance because it is full.
        """
        config = lm_pb2.GenerateConfig(settings=settings)
        accepted: lm_pb2.GenerateAccepted
        accepted = await self._accepted(lm_pb2.GenerateRequest(config=config))
        self._check(accepted.model)
        self.journal = Journal(accepted.model.context_steps)
        if settings.start_policy != settings_pb2.START_POLICY_DROP_FIRST_FRAME:
            # Step 0 is owed without a frame.
            await self._room.acquire()
            self._watchdog.owe()
        return accepted

    async def answers(self, user: AsyncIterator[CodeFrame | NewSettings]) -> AsyncIterator[LmStep]:
        """Gives the session's steps, in order, until all that the user's frames set off have come.

        What `user` raises is raised here.

        Raises:
            LmDown: the LM service ended the call, leaves a frame unanswered or answers nonsense.
            Upstream: it said what is wrong itself.
        """
        steps = self.steps()
        self._steps.run(self._send(user))
        async for step in steps:
            self._room.release()
            yield step

    async def _send(self, user: AsyncIterator[CodeFrame | NewSettings]) -> None:
        async for item in user:
            if isinstance(item, NewSettings):
                await self._write(lm_pb2.GenerateRequest(settings=item.message))
                continue
            await self._room.acquire()
            message = frames_pb2.CodeFrame(index=item.index, tokens=item.tokens)
            await self._ask(lm_pb2.GenerateRequest(user_frame=message))
        await self.half_close()

    def _step(self, message: lm_pb2.GenerateStep) -> LmStep:
        record = record_of(message)
        self.journal.append(record)
        frame = self._moshi_frame(message.moshi_frame) if message.HasField("moshi_frame") else None
        return LmStep(record, frame, text_of(message))

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
