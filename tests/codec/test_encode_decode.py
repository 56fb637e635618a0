"""Encode, Decode and GetCodecInfo over a real socket, with fake models and no LM service."""

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from fake_services import FakeCodecService, fake_codec_service
from fake_steppers import CODEBOOKS, POISON
from kaiwa.v1 import codec_pb2, frames_pb2
from service_messages import codes, sound, token_of
from serving_calls import all_of, failure_of, until

NOBODY = "127.0.0.1:1"


@pytest.fixture
async def codec() -> AsyncIterator[FakeCodecService]:
    async with fake_codec_service(NOBODY, slots=2) as service:
        yield service


def encode(codec: FakeCodecService, *frames: frames_pb2.PcmFrame) -> Any:
    """A call that sends these frames and half-closes."""
    return codec.stub.Encode(codec_pb2.EncodeRequest(frame=frame) for frame in frames)


def decode(codec: FakeCodecService, *frames: frames_pb2.CodeFrame) -> Any:
    """A call that sends these frames and half-closes."""
    return codec.stub.Decode(codec_pb2.DecodeRequest(frame=frame) for frame in frames)


async def test_sound_becomes_tokens_frame_by_frame_then_a_summary(codec: FakeCodecService) -> None:
    frames = [sound(index, 20 + index) for index in range(30)]
    *encoded, last = await all_of(encode(codec, *frames))
    assert [response.frame for response in encoded] == [codes(i, 20 + i) for i in range(30)]
    assert last.summary.frames == 30


async def test_tokens_become_sound_frame_by_frame_then_a_summary(codec: FakeCodecService) -> None:
    frames = [codes(index, 20 + index) for index in range(30)]
    *decoded, last = await all_of(decode(codec, *frames))
    assert [response.frame.index for response in decoded] == list(range(30))
    assert [token_of(response.frame) for response in decoded] == list(range(20, 50))
    assert last.summary.frames == 30


async def test_a_call_without_frames_gets_a_summary(codec: FakeCodecService) -> None:
    assert [response.summary.frames for response in await all_of(encode(codec))] == [0]
    assert [response.summary.frames for response in await all_of(decode(codec))] == [0]


def strange(samples: bytes) -> frames_pb2.PcmFrame:
    return frames_pb2.PcmFrame(index=0, samples=samples)


def with_sample(value: float) -> frames_pb2.PcmFrame:
    samples = np.zeros(1920, "<f4")
    samples[7] = value
    return strange(samples.tobytes())


BAD_SOUND = {
    "short": (strange(bytes(7_676)), "BAD_FRAME", "frame 0 has 7676 bytes of samples: send 7680"),
    "sixteen bits": (strange(bytes(3_840)), "BAD_FRAME", "frame 0 has 3840 bytes"),
    "empty": (frames_pb2.PcmFrame(), "BAD_FRAME", "frame 0 has 0 bytes"),
    "NaN": (with_sample(float("nan")), "BAD_FRAME", "frame 0 has samples that are NaN or infinite"),
    "infinite": (with_sample(float("-inf")), "BAD_FRAME", "frame 0 has samples that are NaN"),
    "gap": (sound(1, 20), "BAD_FRAME", "frame 1 came where frame 0 was expected"),
    "poison": (sound(0, POISON), "MODEL_FAILED", "the model failed"),
}


@pytest.mark.parametrize(("frame", "reason", "sentence"), BAD_SOUND.values(), ids=BAD_SOUND)
async def test_bad_sound_is_told_what_is_wrong(
    codec: FakeCodecService, frame: frames_pb2.PcmFrame, reason: str, sentence: str
) -> None:
    _, told_reason, told = await failure_of(encode(codec, frame))
    assert told_reason == reason
    assert told.startswith(sentence)
    await until(lambda: codec.slots_used == (0, 0))


BAD_CODES = {
    "seven": (codes(0, 1, CODEBOOKS - 1), "BAD_TOKEN", "frame 0 has 7 tokens: send 8"),
    "none": (frames_pb2.CodeFrame(), "BAD_TOKEN", "frame 0 has 0 tokens: send 8"),
    "large": (codes(0, 256), "BAD_TOKEN", "frame 0 has token 256 in codebook 0"),
    "negative": (codes(0, -1), "BAD_TOKEN", "frame 0 has token -1 in codebook 0"),
    "gap": (codes(4, 1), "BAD_FRAME", "frame 4 came where frame 0 was expected"),
    "poison": (codes(0, POISON), "MODEL_FAILED", "the model failed"),
}


@pytest.mark.parametrize(("frame", "reason", "sentence"), BAD_CODES.values(), ids=BAD_CODES)
async def test_bad_tokens_are_told_what_is_wrong(
    codec: FakeCodecService, frame: frames_pb2.CodeFrame, reason: str, sentence: str
) -> None:
    _, told_reason, told = await failure_of(decode(codec, frame))
    assert told_reason == reason
    assert told.startswith(sentence)
    await until(lambda: codec.slots_used == (0, 0))


async def test_a_full_direction_says_so_at_once_while_the_other_has_room(
    codec: FakeCodecService,
) -> None:
    calls = [codec.stub.Encode() for _ in range(2)]
    await until(lambda: codec.slots_used == (2, 0))
    assert (await failure_of(codec.stub.Encode()))[:2] == ("RESOURCE_EXHAUSTED", "FULL")
    assert (await all_of(decode(codec, codes(0, 1))))[-1].summary.frames == 1
    for call in calls:
        call.cancel()
    await until(lambda: codec.slots_used == (0, 0))


async def test_calls_share_steps_and_do_not_hear_each_other(codec: FakeCodecService) -> None:
    codec.encode_stepper.turning.clear()
    calls = [encode(codec, *(sound(i, base + i) for i in range(5))) for base in (20, 60)]
    await until(lambda: codec.slots_used == (2, 0))
    codec.encode_stepper.turning.set()
    for call, base in zip(calls, (20, 60), strict=True):
        *encoded, _ = await all_of(call)
        assert [response.frame for response in encoded] == [codes(i, base + i) for i in range(5)]


@pytest.mark.parametrize("responses_read", range(3))
async def test_a_cancelled_call_frees_its_slot_wherever_it_was(
    codec: FakeCodecService, responses_read: int
) -> None:
    call = decode(codec, *(codes(index, 1) for index in range(50)))
    responses = aiter(call)
    for _ in range(responses_read):
        await anext(responses)
    call.cancel()
    await until(lambda: codec.slots_used == (0, 0))


async def test_a_caller_that_falls_silent_is_ended_and_its_slot_freed() -> None:
    async with fake_codec_service(NOBODY, silence_s=0.1) as codec:
        for call in (codec.stub.Encode(), codec.stub.Decode()):
            assert (await failure_of(call))[:2] == ("DEADLINE_EXCEEDED", "CLIENT_SILENT")
        await until(lambda: codec.slots_used == (0, 0))


async def test_the_codec_is_told_even_without_an_lm_service(codec: FakeCodecService) -> None:
    codec.stub.Encode()
    await until(lambda: codec.slots_used == (1, 0))
    info = await codec.stub.GetCodecInfo(codec_pb2.GetCodecInfoRequest())
    assert (info.codec.name, info.codec.sample_rate_hz, info.codec.frame_samples) == (
        "fake-codec",
        24_000,
        1_920,
    )
    assert (info.slots, info.encoder_slots_used, info.decoder_slots_used) == (2, 1, 0)
    assert not info.HasField("lm")


async def test_frames_are_counted(codec: FakeCodecService) -> None:
    await all_of(encode(codec, *(sound(index, 20) for index in range(7))))
    await until(
        lambda: codec.registry.get_sample_value("kaiwa_frames_total", {"loop": "encoder"}) == 7
    )
