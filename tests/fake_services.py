"""The codec and LM services as they are, over real sockets, around steppers that need no model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
from fake_steppers import CODEBOOK_SIZE, CODEBOOKS, FakeDecoder, FakeEncoder, FakeLm
from kaiwa.v1 import codec_pb2_grpc, lm_pb2_grpc
from kaiwa_server.codec.config import CodecServiceConfig
from kaiwa_server.codec.lm_link import LmService
from kaiwa_server.codec.service import CodecServicer, DecodeLoop, EncodeLoop, LoadedCodec
from kaiwa_server.engine.step_loop import StepLoop
from kaiwa_server.lm.config import LmServiceConfig
from kaiwa_server.lm.service import LmServicer, LmStepLoop, LoadedLm
from kaiwa_server.serving.channels import open_channel
from kaiwa_server.serving.hub import EMBEDDED_MODEL_DIR
from kaiwa_server.serving.server import GrpcServer
from kaiwa_server.serving.slot_metrics import SlotMetrics
from prometheus_client import CollectorRegistry
from sentencepiece import SentencePieceProcessor
from serving_calls import served

LM = LoadedLm(
    name="fake-lm",
    fingerprint="a" * 64,
    context_steps=160,
    text_vocabulary_size=300,
    codebooks=CODEBOOKS,
    codebook_size=CODEBOOK_SIZE,
    delays_steps=(0, *(0, 1, 1, 1, 1, 1, 1, 1) * 2),
)

CODEC = LoadedCodec("fake-codec", "b" * 64, CODEBOOKS, CODEBOOK_SIZE)


@dataclass
class FakeLmService:
    """A running LM service, and what tests need of its inside."""

    server: GrpcServer
    channel: grpc.aio.Channel
    stub: "lm_pb2_grpc.LmServiceAsyncStub"
    stepper: FakeLm
    loop: LmStepLoop
    registry: CollectorRegistry

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.server.port}"


@dataclass
class FakeCodecService:
    """A running codec service, and what tests need of its inside."""

    server: GrpcServer
    channel: grpc.aio.Channel
    stub: "codec_pb2_grpc.CodecServiceAsyncStub"
    encode_stepper: FakeEncoder
    decode_stepper: FakeDecoder
    encoder: EncodeLoop
    decoder: DecodeLoop
    registry: CollectorRegistry

    @property
    def slots_used(self) -> tuple[int, int]:
        return self.encoder.slots_used, self.decoder.slots_used


@asynccontextmanager
async def fake_lm_service(
    slots: int = 2, model: LoadedLm = LM, **settings: float
) -> AsyncIterator[FakeLmService]:
    """An LM service that says "My name" again and again."""
    registry = CollectorRegistry()
    metrics = SlotMetrics(registry)
    tokenizer = SentencePieceProcessor(model_file=str(EMBEDDED_MODEL_DIR / "tokenizer.model"))
    stepper = FakeLm(slots, text_tokens=(*tokenizer.encode("My name"), 3, 0))
    loop: LmStepLoop = StepLoop(stepper, name="lm", on_step=metrics.on_step("lm"))
    metrics.watch("lm", loop)
    servicer = LmServicer(LmServiceConfig(**settings), model, loop, tokenizer, metrics)
    loop.start()
    try:
        add = lm_pb2_grpc.add_LmServiceServicer_to_server
        async with served(add, servicer) as (server, channel):
            stub = lm_pb2_grpc.LmServiceStub(channel)
            yield FakeLmService(server, channel, stub, stepper, loop, registry)
    finally:
        stepper.turning.set()
        loop.stop()


@asynccontextmanager
async def fake_codec_service(
    lm_target: str, slots: int = 2, **settings: float
) -> AsyncIterator[FakeCodecService]:
    """A codec service before this LM service."""
    registry = CollectorRegistry()
    metrics = SlotMetrics(registry)
    encode_stepper, decode_stepper = FakeEncoder(slots), FakeDecoder(slots)
    encoder: EncodeLoop = StepLoop(
        encode_stepper, name="encoder", on_step=metrics.on_step("encoder")
    )
    decoder: DecodeLoop = StepLoop(
        decode_stepper, name="decoder", on_step=metrics.on_step("decoder")
    )
    config = CodecServiceConfig(**settings)
    encoder.start()
    decoder.start()
    try:
        async with open_channel(lm_target) as lm_channel:
            lm_stub = lm_pb2_grpc.LmServiceStub(lm_channel)
            lm = LmService(lm_stub, lm_target, config.lm_accept_s, config.lm_answer_s)
            servicer = CodecServicer(config, CODEC, encoder, decoder, lm, metrics)
            add = codec_pb2_grpc.add_CodecServiceServicer_to_server
            async with served(add, servicer) as (server, channel):
                yield FakeCodecService(
                    server,
                    channel,
                    codec_pb2_grpc.CodecServiceStub(channel),
                    encode_stepper,
                    decode_stepper,
                    encoder,
                    decoder,
                    registry,
                )
    finally:
        encode_stepper.turning.set()
        decode_stepper.turning.set()
        encoder.stop()
        decoder.stop()
