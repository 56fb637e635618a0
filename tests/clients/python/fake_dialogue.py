"""A DialogueService without a model: it counts the user's frames and answers with a tone."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import grpc
import numpy as np
from kaiwa.g711 import G711
from kaiwa.opus import OpusDecoder, OpusEncoder
from kaiwa.resampling import Resampler
from kaiwa.v1 import codec_pb2, dialogue_pb2, dialogue_pb2_grpc, lm_pb2
from numpy.typing import NDArray

FRAME_SAMPLES = 1920
WORDS = [("Hello", True), (",", False), ("I", True), ("am", True), ("Mos", True), ("hi", False)]

Response = dialogue_pb2.ConverseResponse
Extra = Callable[[int], list[Response]]
Before = Callable[[grpc.aio.ServicerContext], Awaitable[None]]


def tone(frame: int) -> NDArray[np.float32]:
    """A quiet A of one frame, in phase with the frames around it."""
    seconds = (frame * FRAME_SAMPLES + np.arange(FRAME_SAMPLES)) / 24_000
    return (0.2 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)


@dataclass
class FakeDialogue(dialogue_pb2_grpc.DialogueServiceServicer):
    """Answers each 80 ms of the user's sound with a frame, and every fourth with a word."""

    extra: Extra = lambda step: []
    before_ready: Before | None = None
    fail_at: int | None = None
    fail_with: tuple[grpc.StatusCode, str, str] = (grpc.StatusCode.UNAVAILABLE, "LM_DOWN", "gone")
    with_summary: bool = True
    hang_at: int | None = None
    configs: list[dialogue_pb2.ConverseConfig] = field(default_factory=list)
    renders: list[dialogue_pb2.RenderConfig] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)
    packets: list[bytes] = field(default_factory=list)
    controls: list[dialogue_pb2.ConverseRequest] = field(default_factory=list)
    heard: list[NDArray[np.float32]] = field(default_factory=list)
    half_closed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def Converse(
        self,
        request_iterator: AsyncIterator[dialogue_pb2.ConverseRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[Response]:
        try:
            config = (await anext(request_iterator)).config
            self.configs.append(config)
            self.peers.append(context.peer())
            if self.before_ready is not None:
                await self.before_ready(context)
            seed = config.settings.seed if config.settings.HasField("seed") else 4711
            yield Response(
                ready=dialogue_pb2.Ready(
                    session_id="s-1",
                    seed=seed,
                    model_name="fake-moshi",
                    model_fingerprint="ab" * 32,
                    context_steps=3000,
                )
            )
            frames = 0
            async for frame in self._frames(request_iterator, config):
                if frame == self.fail_at:
                    await fail(context, *self.fail_with)
                if frame == self.hang_at:
                    await self._hang(request_iterator)
                for response in self._answers(frame, config):
                    yield response
                frames = frame + 1
            if self.with_summary:
                yield Response(
                    summary=dialogue_pb2.Summary(
                        frames_in=frames,
                        frames_out=frames,
                        frames_dropped=0,
                        frames_late=1,
                        turnaround_p50_ms=12.3,
                        turnaround_p99_ms=20.9,
                        seed=seed,
                    )
                )
        finally:
            self.ended.set()

    async def Render(
        self,
        request_iterator: AsyncIterator[dialogue_pb2.RenderRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[dialogue_pb2.RenderResponse]:
        """Answers as Converse does, and hears the silence around the file."""
        config = (await anext(request_iterator)).config
        self.renders.append(config)
        requests = self._with_silence(request_iterator, config)
        async for response in self.Converse(requests, context):
            yield dialogue_pb2.RenderResponse.FromString(response.SerializeToString())

    async def _with_silence(
        self,
        requests: AsyncIterator[dialogue_pb2.RenderRequest],
        config: dialogue_pb2.RenderConfig,
    ) -> AsyncIterator[dialogue_pb2.ConverseRequest]:
        """What Converse would be sent, for samples of 32-bit floats."""

        def silence(silence_ms: int) -> dialogue_pb2.ConverseRequest:
            data = bytes(24 * 4 * silence_ms)
            return dialogue_pb2.ConverseRequest(audio=dialogue_pb2.InputAudio(data=data))

        yield dialogue_pb2.ConverseRequest(
            config=dialogue_pb2.ConverseConfig(
                input_format=config.input_format,
                output_format=config.output_format,
                settings=config.settings,
            )
        )
        yield silence(config.silence_before_ms)
        async for request in requests:
            yield dialogue_pb2.ConverseRequest(audio=request.audio)
        yield silence(config.silence_after_ms)

    async def _hang(self, requests: AsyncIterator[dialogue_pb2.ConverseRequest]) -> None:
        """Hears everything and never says anything more."""
        async for request in requests:
            self.packets.append(request.audio.data)
        self.half_closed.set()
        await asyncio.Event().wait()

    async def GetServiceInfo(
        self, request: dialogue_pb2.GetServiceInfoRequest, context: grpc.aio.ServicerContext
    ) -> dialogue_pb2.GetServiceInfoResponse:
        if self.before_ready is not None:
            await self.before_ready(context)
        return service_info_message()

    async def _frames(
        self,
        requests: AsyncIterator[dialogue_pb2.ConverseRequest],
        config: dialogue_pb2.ConverseConfig,
    ) -> AsyncIterator[int]:
        """The number of each frame of the user's sound that is complete."""
        decode = decoder_of(config.input_format.encoding)
        samples, frame = 0, 0
        async for request in requests:
            if request.WhichOneof("request") != "audio":
                self.controls.append(request)
                continue
            data = request.audio.data
            self.packets.append(data)
            sound = decode(data)
            self.heard.append(sound)
            samples += len(sound)
            while samples >= (frame + 1) * FRAME_SAMPLES:
                yield frame
                frame += 1

    def _answers(
        self, frame: int, config: dialogue_pb2.ConverseConfig
    ) -> list[dialogue_pb2.ConverseResponse]:
        step = frame + 1
        answers = list(self.extra(step))
        if frame % 4 == 0 and frame // 4 < len(WORDS):
            text, starts_word = WORDS[frame // 4]
            piece = dialogue_pb2.Text(
                text=text, starts_word=starts_word, step=step, time_ms=step * 80
            )
            answers.append(Response(text=piece))
        if frame == 0:
            self._encode = encoder_of(config.output_format.encoding)
        data = self._encode(tone(frame))
        answers.append(Response(audio=dialogue_pb2.OutputAudio(frame_index=frame, data=data)))
        return answers

    _encode: Callable[[NDArray[np.float32]], bytes] = field(init=False)


LAWS = {
    dialogue_pb2.AUDIO_ENCODING_MULAW: "mulaw",
    dialogue_pb2.AUDIO_ENCODING_ALAW: "alaw",
}


def decoder_of(encoding: int) -> Callable[[bytes], NDArray[np.float32]]:
    if encoding == dialogue_pb2.AUDIO_ENCODING_OPUS:
        return OpusDecoder().decode
    if encoding in LAWS:
        telephone, resampler = G711(LAWS[encoding]), Resampler(8_000, 24_000)
        return lambda data: resampler.resample(telephone.decode(data))
    return lambda data: np.frombuffer(data, "<f4")


def encoder_of(encoding: int) -> Callable[[NDArray[np.float32]], bytes]:
    if encoding == dialogue_pb2.AUDIO_ENCODING_OPUS:
        return OpusEncoder().encode
    if encoding in LAWS:
        telephone, resampler = G711(LAWS[encoding]), Resampler(24_000, 8_000)
        return lambda samples: telephone.encode(resampler.resample(samples))
    return lambda samples: samples.tobytes()


async def fail(
    context: grpc.aio.ServicerContext, status: grpc.StatusCode, reason: str, text: str
) -> None:
    """Ends the call as Kaiwa's services do."""
    await context.abort(status, text, (("kaiwa-reason", reason),))


def refuse(status: grpc.StatusCode, reason: str, text: str) -> Before:
    """Ends each call before it is ready."""

    async def before_ready(context: grpc.aio.ServicerContext) -> None:
        await fail(context, status, reason, text)

    return before_ready


def seats(count: int) -> Before:
    """Refuses each call after so many, as a full service does."""
    calls = itertools.count()

    async def before_ready(context: grpc.aio.ServicerContext) -> None:
        if next(calls) >= count:
            text = "every slot is taken: try later"
            await fail(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "FULL", text)

    return before_ready


def service_info_message() -> dialogue_pb2.GetServiceInfoResponse:
    """A gateway with everything behind it."""
    model = lm_pb2.ModelInfo(
        name="fake-moshi",
        fingerprint="ab" * 32,
        context_steps=3000,
        text_vocabulary_size=32_000,
        codebooks=8,
        codebook_size=2048,
        delays_steps=[0, *[0, 1, 1, 1, 1, 1, 1, 1] * 2],
    )
    codec = codec_pb2.CodecInfo(
        name="fake-mimi",
        fingerprint="cd" * 32,
        sample_rate_hz=24_000,
        frame_samples=1920,
        codebooks=8,
        codebook_size=2048,
    )
    return dialogue_pb2.GetServiceInfoResponse(
        gateway_version="0.1.0",
        sessions=2,
        max_sessions=8,
        codec=codec_pb2.GetCodecInfoResponse(
            codec=codec,
            slots=8,
            encoder_slots_used=2,
            decoder_slots_used=2,
            lm=lm_pb2.GetModelInfoResponse(model=model, slots=8, slots_used=2),
        ),
    )
