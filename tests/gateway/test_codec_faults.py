"""What the services behind the gateway can do to a conversation."""

import asyncio

import pytest
from gateway.running_gateway import (
    FRAME,
    Gateway,
    audio_message,
    config_message,
    dialogue,
    failure_of,
    running_gateway,
    until,
)
from kaiwa.v1 import codec_pb2, frames_pb2
from kaiwa_server.errors import BadSettings, KaiwaError, LmDown, ModelFailed, NotReady, ServiceFull
from kaiwa_server.gateway.readiness import follow
from kaiwa_server.serving.server import GrpcServer

FRAME_MESSAGE = audio_message(FRAME.tobytes())


@pytest.mark.parametrize(
    "refusal",
    [
        ServiceFull("all 4 slots are taken: try again later"),
        NotReady("loading the model: try again in a minute"),
        BadSettings("text_temperature is 9.0: give one from 0 to 5"),
        LmDown("the LM service is gone"),
    ],
    ids=lambda refusal: refusal.reason,
)
async def test_a_refusal_from_behind_reaches_the_client_unchanged(
    gateway: Gateway, refusal: KaiwaError
) -> None:
    gateway.codec.refusal = refusal
    async with dialogue(gateway) as call:
        await call.write(config_message())
        assert await failure_of(call) == (refusal.status, refusal.reason, str(refusal))
    result = gateway.metric("kaiwa_admissions_total", call="Converse", result=refusal.reason)
    assert result == 1


async def test_a_failure_from_behind_in_mid_call_reaches_the_client_unchanged(
    gateway: Gateway,
) -> None:
    gateway.codec.fails_at_step = (1, ModelFailed("step 1 failed: open a new session"))
    async with dialogue(gateway) as call:
        await call.write(config_message())
        await call.write(FRAME_MESSAGE)
        ended = await failure_of(call)
    assert ended == ("INTERNAL", "MODEL_FAILED", "step 1 failed: open a new session")


async def test_a_codec_service_that_is_not_there_is_named() -> None:
    async with running_gateway() as gateway, dialogue(gateway) as call:
        await gateway.codec_server.die()
        await call.write(config_message())
        status, reason, sentence = await failure_of(call)
        assert (status, reason) == ("UNAVAILABLE", "CODEC_DOWN")
        assert f"codec service at {gateway.config.codec} is gone" in sentence
        await gateway.is_empty()


async def test_a_codec_service_that_dies_in_mid_call_is_named(gateway: Gateway) -> None:
    async with dialogue(gateway) as call:
        await call.write(config_message())
        await call.write(FRAME_MESSAGE)
        while not (await call.read()).HasField("audio"):
            pass
        await gateway.codec_server.die()
        status, reason, sentence = await failure_of(call)
    assert (status, reason) == ("UNAVAILABLE", "CODEC_DOWN")
    assert gateway.config.codec in sentence and "open a new session" in sentence


async def test_a_codec_service_that_never_accepts_is_given_up(gateway: Gateway) -> None:
    gateway.codec.never_accepts = True
    async with dialogue(gateway) as call:
        await call.write(config_message())
        status, reason, sentence = await failure_of(call)
    assert (status, reason) == ("UNAVAILABLE", "CODEC_DOWN")
    assert "did not accept the session within 1.5 s: look at its log" in sentence


@pytest.mark.parametrize("step", [0, 2], ids=["before the first frame", "in mid call"])
async def test_a_codec_service_that_freezes_is_given_up(gateway: Gateway, step: int) -> None:
    gateway.codec.freezes_at_step = step
    async with dialogue(gateway) as call:
        await call.write(config_message())
        await call.write(FRAME_MESSAGE)
        await call.write(FRAME_MESSAGE)
        status, reason, sentence = await failure_of(call)
    assert (status, reason) == ("UNAVAILABLE", "CODEC_DOWN")
    assert f"at {gateway.config.codec} left a frame unanswered for 1.5 s" in sentence


PCM_FRAME = frames_pb2.PcmFrame(index=0, samples=FRAME.tobytes())
RECORD = frames_pb2.StepRecord(step=1)
Step = codec_pb2.CodecServiceConverseStep


@pytest.mark.parametrize(
    "nonsense",
    [
        codec_pb2.CodecServiceConverseResponse(
            step=Step(record=RECORD, moshi_frame=frames_pb2.PcmFrame(index=0, samples=b"1"))
        ),
        codec_pb2.CodecServiceConverseResponse(
            step=Step(
                record=RECORD, moshi_frame=frames_pb2.PcmFrame(index=5, samples=FRAME.tobytes())
            )
        ),
        codec_pb2.CodecServiceConverseResponse(
            step=Step(record=frames_pb2.StepRecord(step=7), moshi_frame=PCM_FRAME)
        ),
        codec_pb2.CodecServiceConverseResponse(
            accepted=codec_pb2.CodecServiceConverseAccepted(seed=1)
        ),
        codec_pb2.CodecServiceConverseResponse(summary=codec_pb2.CodecServiceConverseSummary()),
    ],
    ids=["short frame", "wrong index", "wrong step", "accepted twice", "early summary"],
)
async def test_a_codec_service_that_answers_nonsense_is_named(
    gateway: Gateway, nonsense: codec_pb2.CodecServiceConverseResponse
) -> None:
    gateway.codec.nonsense = nonsense
    async with dialogue(gateway) as call:
        await call.write(config_message())
        await call.write(FRAME_MESSAGE)
        status, reason, sentence = await failure_of(call)
    assert (status, reason) == ("UNAVAILABLE", "CODEC_DOWN")
    assert f"at {gateway.config.codec} answered nonsense" in sentence


async def test_a_codec_service_that_ends_without_a_summary_is_named(gateway: Gateway) -> None:
    gateway.codec.says_summary = False
    async with dialogue(gateway) as call:
        await call.write(config_message())
        await call.done_writing()
        assert "without a summary" in (await failure_of(call))[2]


async def test_the_gateway_is_ready_for_as_long_as_the_services_behind_answer(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaiwa_server.gateway.readiness.CHECK_S", 0.01)
    monkeypatch.setattr("kaiwa_server.gateway.readiness.CHECK_WHILE_NOT_READY_S", 0.01)
    server = GrpcServer(gateway.config, ["kaiwa.v1.DialogueService"])
    gateway.codec.knows_lm = False
    following = asyncio.create_task(follow(gateway.service, server))
    assert server.why_closed() is not None
    gateway.codec.knows_lm = True
    await until(lambda: server.why_closed() is None)
    gateway.codec.knows_lm = False
    await until(lambda: server.why_closed() is not None)
    server.draining.set()
    await following
