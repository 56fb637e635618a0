"""The rendering of files against a real gRPC server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import numpy as np
import pytest
from clients.python.fake_dialogue import FakeDialogue, refuse, tone
from kaiwa.client import Settings
from kaiwa.errors import KaiwaError
from kaiwa.events import Audio, Summary, Text
from kaiwa.rendering import render

Serve = Callable[[FakeDialogue], Awaitable[str]]
SOUND = np.random.default_rng(1).uniform(-1, 1, 100_001).astype(np.float32)


async def test_a_file_arrives_unchanged_and_its_reply_is_events(serve: Serve) -> None:
    fake = FakeDialogue()
    async with render(
        await serve(fake), SOUND, silence_before_s=0.16, silence_after_s=0.08
    ) as reply:
        assert (reply.ready.model_name, reply.ready.seed) == ("fake-moshi", 4711)
        events = [event async for event in reply]
    heard = np.concatenate(fake.heard)
    assert np.array_equal(heard[3840:-1920], SOUND)
    assert not heard[:3840].any() and not heard[-1920:].any()
    assert max(map(len, fake.packets[1:-1])) <= 65_536
    voice = [event.samples() for event in events if isinstance(event, Audio)]
    assert len(voice) == 55 and np.allclose(voice[7], tone(7))
    assert "".join(event.text for event in events if isinstance(event, Text)) == "Hello,IamMoshi"
    assert isinstance(events[-1], Summary)


async def test_what_is_not_said_the_service_decides(serve: Serve) -> None:
    fake = FakeDialogue()
    async with render(await serve(fake), SOUND, settings=Settings(seed=9)) as reply:
        _ = [event async for event in reply]
    [config] = fake.renders
    assert not config.HasField("silence_before_ms") and not config.HasField("silence_after_ms")
    assert config.settings.seed == 9 and not config.settings.HasField("text_top_k")
    assert config.input_format.sample_rate_hz == 0


async def test_the_reply_may_have_an_encoding_of_its_own(serve: Serve) -> None:
    fake = FakeDialogue()
    async with render(await serve(fake), SOUND, reply_encoding="mulaw") as reply:
        voice = [event async for event in reply if isinstance(event, Audio)]
    assert {len(audio.data) for audio in voice} == {640}
    assert {audio.encoding for audio in voice} == {"mulaw"}


async def test_leaving_the_block_ends_the_call_at_once(serve: Serve) -> None:
    fake = FakeDialogue(hang_at=2)
    async with render(await serve(fake), SOUND) as reply:
        assert await anext(reply)
    async with asyncio.timeout(5):
        await fake.ended.wait()


async def test_cancelling_the_task_ends_the_call_at_once(serve: Serve) -> None:
    fake, listening = FakeDialogue(hang_at=2), asyncio.Event()

    async def listen(target: str) -> None:
        async with render(target, SOUND) as reply:
            async for _ in reply:
                listening.set()

    task = asyncio.create_task(listen(await serve(fake)))
    await listening.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        await fake.ended.wait()


async def test_a_refusal_is_the_service_s_sentence(serve: Serve) -> None:
    full = refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "FULL", "every slot is taken: try later")
    target = await serve(FakeDialogue(before_ready=full))
    with pytest.raises(KaiwaError, match="every slot is taken") as refused:
        async with render(target, SOUND):
            pass
    assert refused.value.reason == "FULL"


async def test_a_call_that_fails_in_the_middle_says_why(serve: Serve) -> None:
    target = await serve(FakeDialogue(fail_at=3))
    with pytest.raises(KaiwaError, match="gone") as failed:
        async with render(target, SOUND) as reply:
            _ = [event async for event in reply]
    assert failed.value.reason == "LM_DOWN"


async def test_a_reply_that_is_cut_off_is_an_error(serve: Serve) -> None:
    target = await serve(FakeDialogue(with_summary=False))
    with pytest.raises(KaiwaError) as failed:
        async with render(target, SOUND) as reply:
            _ = [event async for event in reply]
    assert failed.value.reason == "NO_SUMMARY"


@pytest.mark.parametrize(
    ("sound", "encoding", "sentence"),
    [
        (b"1234", "pcm", r"a file in pcm is samples \(float32\), not bytes"),
        (SOUND, "ogg", "a file in ogg is bytes, not ndarray"),
        (SOUND.reshape(-1, 1), "pcm", r"samples are floats \[n\]"),
        (np.zeros(3, np.int16), "pcm", "samples are floats .* not int16"),
    ],
)
async def test_what_is_no_file_of_its_encoding_is_refused_before_the_call(
    sound: Any, encoding: Any, sentence: str
) -> None:
    with pytest.raises(TypeError, match=sentence):
        async with render("127.0.0.1:1", sound, encoding=encoding):
            pass
