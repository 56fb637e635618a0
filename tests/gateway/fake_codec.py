"""A codec service without a model: it says what it hears, and can fail in every way."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
from kaiwa.v1 import codec_pb2, codec_pb2_grpc, frames_pb2, lm_pb2
from kaiwa.v1.settings_pb2 import START_POLICY_DROP_FIRST_FRAME, SessionSettings
from kaiwa_server.errors import KaiwaError
from kaiwa_server.serving.interceptors import ErrorInterceptor

Request = codec_pb2.CodecServiceConverseRequest
Response = codec_pb2.CodecServiceConverseResponse

MODEL = lm_pb2.ModelInfo(name="parrot", fingerprint="ab" * 32, context_steps=3000)


@dataclass
class FakeCodec(codec_pb2_grpc.CodecServiceServicer):
    """Step s says the user's frame s - 1 again, and the words that are set for it."""

    model: lm_pb2.ModelInfo = field(default_factory=lambda: MODEL)
    words: dict[int, tuple[str, bool]] = field(default_factory=dict)
    refusal: KaiwaError | None = None
    never_accepts: bool = False
    freezes_at_step: int | None = None
    thaw: asyncio.Event = field(default_factory=asyncio.Event)
    fails_at_step: tuple[int, KaiwaError] | None = None
    nonsense: Response | None = None
    says_summary: bool = True
    knows_lm: bool = True
    settings: list[SessionSettings] = field(default_factory=list)
    frames_heard: int = 0
    calls: int = 0

    async def Converse(self, requests: AsyncIterator[Request], context: Any) -> Any:
        self.calls += 1
        try:
            async for response in self._conversation(requests):
                yield response
        finally:
            self.calls -= 1

    async def _conversation(self, requests: AsyncIterator[Request]) -> AsyncIterator[Response]:
        settings = (await anext(requests)).config.settings
        self.settings.append(settings)
        if self.never_accepts:
            await asyncio.Event().wait()
        if self.refusal:
            raise self.refusal
        accepted = codec_pb2.CodecServiceConverseAccepted(seed=settings.seed or 4, model=self.model)
        yield Response(accepted=accepted)
        steps = 0
        if settings.start_policy != START_POLICY_DROP_FIRST_FRAME:
            yield await self._step(steps, None)
            steps += 1
        changes: list[SessionSettings] = []
        async for request in requests:
            if request.HasField("settings"):
                changes.append(request.settings)
                self.settings.append(request.settings)
                continue
            self.frames_heard += 1
            yield await self._step(steps, request.user_frame, changes)
            steps += 1
            changes = []
        if self.says_summary:
            yield Response(summary=codec_pb2.CodecServiceConverseSummary(steps=steps))

    async def _step(
        self,
        step: int,
        frame: frames_pb2.PcmFrame | None,
        changes: Sequence[SessionSettings] = (),
    ) -> Response:
        if step == self.freezes_at_step:
            await self.thaw.wait()
        if self.fails_at_step and step == self.fails_at_step[0]:
            raise self.fails_at_step[1]
        if self.nonsense and step:
            return self.nonsense
        user_tokens = [2] * 8 if frame else []
        record = frames_pb2.StepRecord(
            step=step, text_token=3, moshi_tokens=[1] * 8, user_tokens=user_tokens
        )
        for change in changes:
            record.sampling.text_temperature = change.text_temperature
            record.sampling.audio_top_k = change.audio_top_k
        message = codec_pb2.CodecServiceConverseStep(record=record)
        if frame and step:
            message.moshi_frame.index, message.moshi_frame.samples = step - 1, frame.samples
        if step in self.words:
            message.text.step = step
            message.text.text, message.text.starts_word = self.words[step]
        return Response(step=message)

    async def GetCodecInfo(self, request: Any, context: Any) -> codec_pb2.GetCodecInfoResponse:
        lm = lm_pb2.GetModelInfoResponse(model=self.model) if self.knows_lm else None
        return codec_pb2.GetCodecInfoResponse(slots=4, lm=lm)


class FakeCodecServer:
    """The fake as a server on a free port of loopback."""

    def __init__(self) -> None:
        self.codec = FakeCodec()
        self._server = grpc.aio.server(interceptors=(ErrorInterceptor(unread_s=5),))
        codec_pb2_grpc.add_CodecServiceServicer_to_server(self.codec, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    async def start(self) -> None:
        await self._server.start()

    async def die(self) -> None:
        await self._server.stop(0)
