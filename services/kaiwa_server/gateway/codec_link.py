"""A session's call to the codec service: the user's frames out, steps back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import grpc
from kaiwa.call_end import ENDED, CallEnd
from kaiwa.v1 import codec_pb2, codec_pb2_grpc, frames_pb2, settings_pb2

from kaiwa_server.audio import PcmFrame
from kaiwa_server.errors import BadRequest, CodecDown
from kaiwa_server.gateway.session import CodecStep
from kaiwa_server.journal import StepRecord, TextPiece
from kaiwa_server.serving.channels import as_kaiwa_error
from kaiwa_server.serving.frames import SAMPLES_FORMAT, pcm_frame
from kaiwa_server.serving.mailbox import Mailbox
from kaiwa_server.serving.watchdog import Watchdog

INFO_TIMEOUT_S = 2.0

ConverseCall = grpc.aio.StreamStreamCall[
    codec_pb2.CodecServiceConverseRequest, codec_pb2.CodecServiceConverseResponse
]


@dataclass(frozen=True)
class CodecService:
    """The codec service behind this gateway: where it is and how long it may take."""

    stub: "codec_pb2_grpc.CodecServiceAsyncStub"
    target: str
    accept_s: float
    answer_s: float

    def down(self, what: str) -> CodecDown:
        """Gives the error that says what is wrong with it."""
        return CodecDown(
            f"the codec service at {self.target} {what}: look at its log, and open a new session "
            "when it is well"
        )

    async def info(self) -> codec_pb2.GetCodecInfoResponse | None:
        """Gives what it says of itself and of the LM service, or None if it cannot be reached."""
        try:
            request = codec_pb2.GetCodecInfoRequest()
            return await self.stub.GetCodecInfo(request, timeout=INFO_TIMEOUT_S)
        except grpc.aio.AioRpcError:
            return None

    async def is_well(self) -> bool:
        """Whether it and the LM service behind it answer."""
        info = await self.info()
        return info is not None and info.HasField("lm")


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the codec service said when it granted a session its slots."""

    seed: int
    model_name: str
    model_fingerprint: str
    context_steps: int
    keep_first_frame: bool


class CodecLink:
    """A session in the codec service for as long as the `with` block lasts.

    The settings go on as they are: the LM service judges them.
    """

    _call: ConverseCall
    _responses: AsyncIterator[codec_pb2.CodecServiceConverseResponse]

    def __init__(self, service: CodecService, settings: settings_pb2.SessionSettings) -> None:
        self._service = service
        self._settings = settings
        self._steps: Mailbox[CodecStep] = Mailbox()
        self._watchdog = Watchdog(service.answer_s, self._give_up)
        self._half_closed = False
        self._steps_read = 0
        self._moshi_frames = 0

    async def open(self) -> Accepted:
        """Asks for a slot and gives what the codec service said when it granted one.

        Raises:
            CodecDown: there is no codec service, or it does not answer in time.
            Upstream: it refused, for instance because it is full.
        """
        config = codec_pb2.CodecServiceConverseConfig(settings=self._settings)
        try:
            async with asyncio.timeout(self._service.accept_s):
                await self._write(codec_pb2.CodecServiceConverseRequest(config=config))
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
        start_policy = self._settings.start_policy
        keep_first_frame = start_policy != settings_pb2.START_POLICY_DROP_FIRST_FRAME
        if keep_first_frame:
            self._watchdog.owe()  # step 0, which waits for no frame
        granted = response.accepted
        return Accepted(
            seed=granted.seed,
            model_name=granted.model.name,
            model_fingerprint=granted.model.fingerprint,
            context_steps=granted.model.context_steps,
            keep_first_frame=keep_first_frame,
        )

    async def send(self, frame: PcmFrame) -> None:
        """Sends the user's next frame."""
        self._watchdog.owe()
        samples = frame.samples.astype(SAMPLES_FORMAT, copy=False).tobytes()
        message = frames_pb2.PcmFrame(index=frame.index, samples=samples)
        await self._write(codec_pb2.CodecServiceConverseRequest(user_frame=message))

    async def half_close(self) -> None:
        """Says that the user has finished; the call ends when all that is owed has come."""
        self._half_closed = True
        self._watchdog.owe()  # the summary
        with suppress(*ENDED):
            await self._call.done_writing()

    def steps(self) -> AsyncIterator[CodecStep]:
        """Gives the session's steps, in order, until the call has ended as it should.

        The iterator raises:
            CodecDown: the codec service ended the call, leaves a frame unanswered or answers
                nonsense.
            Upstream: it said what is wrong itself.
        """
        self._steps.run(self._receive())
        return self._steps

    async def _write(self, request: codec_pb2.CodecServiceConverseRequest) -> None:
        # When the call has ended, the reading side has the reason.
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
                        raise ValueError(f"`{kind}` came where a step was owed")
        except grpc.aio.AioRpcError as error:
            raise await self._failure(error) from None
        except (BadRequest, ValueError) as error:
            raise self._service.down(f"answered nonsense ({error})") from error
        if not finished:
            raise self._service.down("ended the session without a summary")
        self._steps.end()

    def _step(self, message: codec_pb2.CodecServiceConverseStep) -> CodecStep:
        record = StepRecord(
            step=message.record.step,
            text_token=message.record.text_token,
            moshi_tokens=tuple(message.record.moshi_tokens),
            user_tokens=tuple(message.record.user_tokens),
        )
        if record.step != self._steps_read:
            raise ValueError(f"step {record.step} came where step {self._steps_read} was expected")
        self._steps_read += 1
        frame = self._moshi_frame(message.moshi_frame) if message.HasField("moshi_frame") else None
        piece = message.text
        text = TextPiece(piece.step, piece.text, piece.starts_word)
        return CodecStep(record, frame, text if message.HasField("text") else None)

    def _moshi_frame(self, message: frames_pb2.PcmFrame) -> PcmFrame:
        frame = pcm_frame(message.index, message.samples, self._moshi_frames)
        self._moshi_frames += 1
        return frame

    async def _failure(self, error: grpc.aio.AioRpcError) -> Exception:
        error = await self._end.failure() or error
        return as_kaiwa_error(error, CodecDown, "codec service", self._service.target)

    def _give_up(self) -> None:
        what = f"left a frame unanswered for {self._service.answer_s:g} s"
        self._steps.put(self._service.down(what))

    def __enter__(self) -> Self:
        self._call = self._service.stub.Converse()
        self._end = CallEnd(self._call)
        self._responses = aiter(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.close()
        self._steps.close()
        self._call.cancel()
