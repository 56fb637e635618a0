"""What is behind a gateway: its codec, its model, and how much room there is."""

from dataclasses import dataclass

import grpc

from kaiwa.errors import error_of
from kaiwa.v1 import codec_pb2, dialogue_pb2, dialogue_pb2_grpc, lm_pb2

ANSWER_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class LmInfo:
    """The LM service and the Moshi that it has loaded."""

    name: str
    fingerprint: str
    context_steps: int
    text_vocabulary_size: int
    codebooks: int
    codebook_size: int
    delays_steps: tuple[int, ...]
    capabilities: tuple[str, ...]
    slots: int
    slots_used: int


@dataclass(frozen=True, slots=True)
class CodecInfo:
    """The codec service and the Mimi that it has loaded."""

    name: str
    fingerprint: str
    sample_rate_hz: int
    frame_samples: int
    codebooks: int
    codebook_size: int
    slots: int
    encoder_slots_used: int
    decoder_slots_used: int


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """A gateway and what is behind it; `codec` or `lm` is None when it cannot be reached."""

    gateway_version: str
    sessions: int
    max_sessions: int
    codec: CodecInfo | None
    lm: LmInfo | None


async def service_info(target: str) -> ServiceInfo:
    """Asks the gateway at `target` (host:port) what is behind it.

    Raises:
        KaiwaError: it cannot be reached, or refuses.
    """
    async with grpc.aio.insecure_channel(target) as channel:
        stub = dialogue_pb2_grpc.DialogueServiceStub(channel)
        try:
            answer = await stub.GetServiceInfo(
                dialogue_pb2.GetServiceInfoRequest(), timeout=ANSWER_WITHIN_S
            )
        except grpc.aio.AioRpcError as failure:
            raise error_of(failure, target) from None
    has_codec = answer.HasField("codec")
    has_lm = has_codec and answer.codec.HasField("lm")
    return ServiceInfo(
        gateway_version=answer.gateway_version,
        sessions=answer.sessions,
        max_sessions=answer.max_sessions,
        codec=_read_codec(answer.codec) if has_codec else None,
        lm=_read_lm(answer.codec.lm) if has_lm else None,
    )


def _read_codec(answer: codec_pb2.GetCodecInfoResponse) -> CodecInfo:
    codec = answer.codec
    return CodecInfo(
        name=codec.name,
        fingerprint=codec.fingerprint,
        sample_rate_hz=codec.sample_rate_hz,
        frame_samples=codec.frame_samples,
        codebooks=codec.codebooks,
        codebook_size=codec.codebook_size,
        slots=answer.slots,
        encoder_slots_used=answer.encoder_slots_used,
        decoder_slots_used=answer.decoder_slots_used,
    )


def _read_lm(answer: lm_pb2.GetModelInfoResponse) -> LmInfo:
    model = answer.model
    return LmInfo(
        name=model.name,
        fingerprint=model.fingerprint,
        context_steps=model.context_steps,
        text_vocabulary_size=model.text_vocabulary_size,
        codebooks=model.codebooks,
        codebook_size=model.codebook_size,
        delays_steps=tuple(model.delays_steps),
        capabilities=tuple(model.capabilities),
        slots=answer.slots,
        slots_used=answer.slots_used,
    )
