"""Whole conversations through the three real processes, next to the reference's own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
from e2e.talking import GREEDY, talk_to_gateway
from kaiwa.v1 import codec_pb2, codec_pb2_grpc, frames_pb2
from kaiwa.v1.settings_pb2 import SessionSettings
from numpy.typing import NDArray
from parity.reference import ReferenceReply, converse
from stack_process import Stack

MODEL_DIR = Path(__file__).parents[2] / "services/kaiwa_server/tiny-moshi"
WORDS = (
    "Hello, I am Moshi. Ask me something. My name is Moshi. I am a tiny speech model. "
    "Why did the robot cross the road? It was programmed by a chicken."
)


@pytest.fixture(scope="module")
def reference(conversation_frames: NDArray[np.float32]) -> ReferenceReply:
    return converse(conversation_frames, MODEL_DIR)


async def talk_to_codec(
    address: str, frames: NDArray[np.float32], settings: SessionSettings
) -> list[codec_pb2.CodecServiceConverseStep]:
    """A conversation with the codec service, as fast as it takes the frames."""

    async def requests() -> AsyncIterator[codec_pb2.CodecServiceConverseRequest]:
        config = codec_pb2.CodecServiceConverseConfig(settings=settings)
        yield codec_pb2.CodecServiceConverseRequest(config=config)
        for index, samples in enumerate(frames):
            frame = frames_pb2.PcmFrame(index=index, samples=samples.tobytes())
            yield codec_pb2.CodecServiceConverseRequest(user_frame=frame)

    async with grpc.aio.insecure_channel(address) as channel:
        responses = [r async for r in codec_pb2_grpc.CodecServiceStub(channel).Converse(requests())]
    assert responses[0].HasField("accepted") and responses[-1].HasField("summary")
    assert responses[-1].summary.steps == len(responses) - 2
    return [response.step for response in responses[1:-1]]


async def test_a_conversation_equals_the_reference_token_for_token(
    stack: Stack,
    conversation_frames: NDArray[np.float32],
    reference: ReferenceReply,
    record_property: Callable[[str, object], None],
) -> None:
    steps = await talk_to_codec(stack.codec, conversation_frames, GREEDY)
    records = [step.record for step in steps]
    heard = np.array([record.user_tokens for record in records[1:]])
    text = np.array([record.text_token for record in records[:-1]])
    # A frame's semantic token was written a step before its acoustic ones.
    semantic = np.array([record.moshi_tokens[:1] for record in records[:-1]])
    acoustic = np.array([record.moshi_tokens[1:] for record in records[1:]])
    sound = np.stack([np.frombuffer(step.moshi_frame.samples, "<f4") for step in steps[1:]])
    assert np.array_equal(heard, reference.user_tokens)
    assert np.array_equal(text, reference.text_tokens)
    assert np.array_equal(np.hstack([semantic, acoustic]), reference.moshi_tokens)
    error = float(np.abs(sound - reference.sound).max())
    record_property("tokens_compared", heard.size + text.size + reference.moshi_tokens.size)
    record_property("max_sound_error", error)
    assert error < 1e-4


async def test_the_words_and_the_voice_reach_the_client_unchanged(
    stack: Stack, conversation_frames: NDArray[np.float32], reference: ReferenceReply
) -> None:
    words, sound = await talk_to_gateway(stack.gateway, conversation_frames, GREEDY)
    assert words == WORDS == reference.words(MODEL_DIR)
    assert np.abs(sound - reference.sound).max() < 1e-4


async def test_a_session_says_the_same_alone_and_among_others(
    stack: Stack, conversation_frames: NDArray[np.float32]
) -> None:
    frames = conversation_frames[:100]
    settings = SessionSettings(seed=11)
    alone = await talk_to_codec(stack.codec, frames, settings)
    others = [
        asyncio.create_task(talk_to_codec(stack.codec, frames[first:], SessionSettings(seed=first)))
        for first in (5, 23, 40)
    ]
    among = await talk_to_codec(stack.codec, frames, settings)
    await asyncio.gather(*others)
    assert [step.record for step in among] == [step.record for step in alone]


async def test_other_seeds_say_other_things(
    stack: Stack, conversation_frames: NDArray[np.float32]
) -> None:
    # The embedded model knows its lines: only a high temperature makes it stray from them.
    first, second = [
        await talk_to_codec(
            stack.codec,
            conversation_frames[:40],
            SessionSettings(seed=seed, text_temperature=2, audio_temperature=3),
        )
        for seed in (1, 2)
    ]
    assert [step.record for step in first] != [step.record for step in second]
