"""The codec service's contract: messages in, messages out, slots of its two step loops."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import grpc
from kaiwa.v1 import codec_pb2, codec_pb2_grpc, frames_pb2, lm_pb2, settings_pb2

from kaiwa_server.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ, CodeFrame, PcmFrame
from kaiwa_server.codec.config import CodecServiceConfig
from kaiwa_server.codec.conversation import Conversation, ConversationStep
from kaiwa_server.codec.lm_link import LmLink, LmService, NewSettings
from kaiwa_server.engine.step_loop import StepLoop
from kaiwa_server.errors import BadFrame, ConfigMissing, ConfigRepeated
from kaiwa_server.serving.calls import first_message
from kaiwa_server.serving.frames import SAMPLES_FORMAT, code_frame, pcm_frame
from kaiwa_server.serving.silence import unless_silent
from kaiwa_server.serving.slot_feed import SlotFeed
from kaiwa_server.serving.slot_metrics import SlotMetrics

LM_INFO_TIMEOUT_S = 1.0

Context = grpc.aio.ServicerContext[Any, Any]
EncodeLoop = StepLoop[None, PcmFrame, CodeFrame]
DecodeLoop = StepLoop[None, CodeFrame, PcmFrame]


@dataclass(frozen=True)
class LoadedCodec:
    """What callers are told of the loaded codec; see `CodecInfo` of the contract."""

    name: str
    fingerprint: str
    codebooks: int
    codebook_size: int


class CodecServicer(codec_pb2_grpc.CodecServiceServicer):
    """Answers the calls of `CodecService`."""

    def __init__(
        self,
        config: CodecServiceConfig,
        codec: LoadedCodec,
        encoder: EncodeLoop,
        decoder: DecodeLoop,
        lm: LmService,
        metrics: SlotMetrics,
    ) -> None:
        self._config = config
        self._codec = codec
        self._encoder = encoder
        self._decoder = decoder
        self._lm = lm
        self._metrics = metrics

    async def Encode(
        self, request_iterator: AsyncIterator[codec_pb2.EncodeRequest], context: Context
    ) -> AsyncIterator[codec_pb2.EncodeResponse]:
        """Turns sound into tokens in a slot of the encoder."""
        with self._metrics.admission("Encode"):
            feed = SlotFeed(self._encoder, None)
        with feed:
            requests = unless_silent(request_iterator, self._config.silence_s)
            async for frame in feed.answers(_sound(request.frame async for request in requests)):
                yield codec_pb2.EncodeResponse(frame=_code_message(frame))
            summary = codec_pb2.StreamSummary(frames=feed.answered)
            yield codec_pb2.EncodeResponse(summary=summary)

    async def Decode(
        self, request_iterator: AsyncIterator[codec_pb2.DecodeRequest], context: Context
    ) -> AsyncIterator[codec_pb2.DecodeResponse]:
        """Turns tokens into sound in a slot of the decoder."""
        with self._metrics.admission("Decode"):
            feed = SlotFeed(self._decoder, None)
        with feed:
            requests = unless_silent(request_iterator, self._config.silence_s)
            async for frame in feed.answers(self._codes(requests)):
                yield codec_pb2.DecodeResponse(frame=_pcm_message(frame))
            summary = codec_pb2.StreamSummary(frames=feed.answered)
            yield codec_pb2.DecodeResponse(summary=summary)

    async def Converse(
        self,
        request_iterator: AsyncIterator[codec_pb2.CodecServiceConverseRequest],
        context: Context,
    ) -> AsyncIterator[codec_pb2.CodecServiceConverseResponse]:
        """Holds one conversation: a slot of each step loop and one in the LM service."""
        with ExitStack() as held:
            with self._metrics.admission("Converse"):
                request = await first_message(
                    request_iterator, self._config.first_message_timeout_s
                )
                if request.WhichOneof("request") != "config":
                    raise ConfigMissing("the first message is not `config`: send it first")
                encoder = held.enter_context(SlotFeed(self._encoder, None))
                decoder = held.enter_context(SlotFeed(self._decoder, None))
                lm = held.enter_context(self._link())
                granted = await lm.open(request.config.settings)
            accepted = codec_pb2.CodecServiceConverseAccepted(
                seed=granted.seed, model=granted.model, codec=self._info()
            )
            yield codec_pb2.CodecServiceConverseResponse(accepted=accepted)
            user = _user(unless_silent(request_iterator, self._config.silence_s))
            async for step in Conversation(encoder, decoder, lm).steps(user):
                yield codec_pb2.CodecServiceConverseResponse(step=_step_message(step))
            summary = codec_pb2.CodecServiceConverseSummary(steps=lm.journal.steps)
            yield codec_pb2.CodecServiceConverseResponse(summary=summary)

    async def GetCodecInfo(
        self, request: codec_pb2.GetCodecInfoRequest, context: Context
    ) -> codec_pb2.GetCodecInfoResponse:
        """Tells what is loaded here and, if it can be reached, in the LM service."""
        return codec_pb2.GetCodecInfoResponse(
            codec=self._info(),
            slots=self._encoder.slots,
            encoder_slots_used=self._encoder.slots_used,
            decoder_slots_used=self._decoder.slots_used,
            lm=await self._lm_info(),
        )

    async def _lm_info(self) -> lm_pb2.GetModelInfoResponse | None:
        try:
            request = lm_pb2.GetModelInfoRequest()
            return await self._lm.stub.GetModelInfo(request, timeout=LM_INFO_TIMEOUT_S)
        except grpc.aio.AioRpcError:
            return None

    def _link(self) -> LmLink:
        return LmLink(self._lm, self._codec.codebooks, self._codec.codebook_size)

    async def _codes(
        self, requests: AsyncIterator[codec_pb2.DecodeRequest]
    ) -> AsyncIterator[CodeFrame]:
        expected_index = 0
        async for request in requests:
            frame, codec = request.frame, self._codec
            yield code_frame(
                frame.index, frame.tokens, expected_index, codec.codebooks, codec.codebook_size
            )
            expected_index += 1

    def _info(self) -> codec_pb2.CodecInfo:
        return codec_pb2.CodecInfo(
            name=self._codec.name,
            fingerprint=self._codec.fingerprint,
            sample_rate_hz=SAMPLE_RATE_HZ,
            frame_samples=FRAME_SAMPLES,
            codebooks=self._codec.codebooks,
            codebook_size=self._codec.codebook_size,
        )


async def _sound(messages: AsyncIterator[frames_pb2.PcmFrame]) -> AsyncIterator[PcmFrame]:
    expected_index = 0
    async for message in messages:
        yield pcm_frame(message.index, message.samples, expected_index)
        expected_index += 1


async def _user(
    requests: AsyncIterator[codec_pb2.CodecServiceConverseRequest],
) -> AsyncIterator[PcmFrame | NewSettings]:
    expected_index = 0
    async for request in requests:
        match request.WhichOneof("request"):
            case "config":
                raise ConfigRepeated("a second `config`: it is given once")
            case "settings":
                yield NewSettings(request.settings)
            case "user_frame":
                message = request.user_frame
                yield pcm_frame(message.index, message.samples, expected_index)
                expected_index += 1
            case _:
                raise BadFrame("a message without a frame: send `user_frame`")


def _code_message(frame: CodeFrame) -> frames_pb2.CodeFrame:
    return frames_pb2.CodeFrame(index=frame.index, tokens=frame.tokens)


def _pcm_message(frame: PcmFrame) -> frames_pb2.PcmFrame:
    return frames_pb2.PcmFrame(
        index=frame.index, samples=frame.samples.astype(SAMPLES_FORMAT).tobytes()
    )


def _step_message(step: ConversationStep) -> codec_pb2.CodecServiceConverseStep:
    record = frames_pb2.StepRecord(
        step=step.record.step,
        text_token=step.record.text_token,
        moshi_tokens=step.record.moshi_tokens,
        user_tokens=step.record.user_tokens,
    )
    if step.record.sampling:
        record.sampling.CopyFrom(settings_pb2.Sampling(**asdict(step.record.sampling)))
    message = codec_pb2.CodecServiceConverseStep(record=record)
    if step.moshi_frame:
        message.moshi_frame.CopyFrom(_pcm_message(step.moshi_frame))
    if step.text:
        message.text.step, message.text.text = step.text.step, step.text.text
        message.text.starts_word = step.text.starts_word
    return message
