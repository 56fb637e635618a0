import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import numpy as np
import pytest
from gateway.running_gateway import FRAME, Gateway, running_gateway, until
from kaiwa.v1.settings_pb2 import SessionSettings
from kaiwa_server.audio import PcmFrame
from kaiwa_server.errors import SlowConsumer
from kaiwa_server.gateway.codec_link import CodecLink
from kaiwa_server.gateway.outbox import Outbox
from kaiwa_server.gateway.outputs import FramesDropped, GoingAway, Output, Ready, Summary
from kaiwa_server.gateway.seats import Seats
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def link_of(gateway: Gateway) -> CodecLink:
    return CodecLink(gateway.service, SessionSettings())


async def outputs_of(gateway: Gateway, sounds: AsyncIterator[Samples]) -> list[Output]:
    return [output async for output in gateway.host.converse("test", link_of(gateway), sounds)]


async def spoken_one_by_one(gateway: Gateway, frames: int) -> AsyncIterator[Samples]:
    """Frames, each when the codec service has heard the one before it."""
    for number in range(frames):
        await until(lambda number=number: gateway.codec.frames_heard == number)  # type: ignore[misc]
        yield FRAME


async def test_a_user_who_is_too_fast_is_told_what_was_left_out(gateway: Gateway) -> None:
    gateway.codec.freezes_at_step = 1

    async def sounds() -> AsyncIterator[Samples]:
        for number in range(3):
            yield np.full(1920, number, np.float32)
        await until(lambda: gateway.metric("kaiwa_frames_in_total") == 3)
        for number in range(3, 10):
            yield np.full(1920, number, np.float32)
        gateway.codec.thaw.set()

    outputs = await outputs_of(gateway, sounds())
    # Three are on their way when seven more come, and three of these can wait.
    assert FramesDropped(step=4, frames=4, total_frames=4) in outputs
    voice = [output.samples[-1] for output in outputs if isinstance(output, PcmFrame)]
    assert voice == [0, 1, 2, 7, 8, 9]
    summary = outputs[-1]
    assert isinstance(summary, Summary)
    assert (summary.frames_in, summary.frames_out, summary.frames_dropped) == (6, 6, 4)
    assert gateway.metric("kaiwa_frames_dropped_total") == 4


async def test_a_client_that_reads_nothing_frees_its_slots_before_it_is_told(
    gateway: Gateway,
) -> None:
    sounds = spoken_one_by_one(gateway, 40)

    async with aclosing(gateway.host.converse("test", link_of(gateway), sounds)) as outputs:
        assert isinstance(await anext(outputs), Ready)
        assert isinstance(await anext(outputs), PcmFrame)
        await gateway.is_empty()
        unread = 0
        with pytest.raises(SlowConsumer, match="16 frames wait to be read"):
            async for _ in outputs:
                unread += 1
    assert unread == 16


async def test_a_conversation_that_is_closed_frees_its_slots_at_once(gateway: Gateway) -> None:
    async def sounds() -> AsyncIterator[Samples]:
        yield FRAME
        await asyncio.Event().wait()

    outputs = gateway.host.converse("test", link_of(gateway), sounds())
    await anext(outputs)
    await anext(outputs)
    assert gateway.host.seats.taken == 1
    await outputs.aclose()
    assert gateway.host.seats.taken == 0


async def test_a_bug_in_the_sounds_is_not_hidden(gateway: Gateway) -> None:
    async def sounds() -> AsyncIterator[Samples]:
        yield FRAME
        raise LookupError("a bug")

    with pytest.raises(LookupError):
        await outputs_of(gateway, sounds())
    await gateway.is_empty()
    assert gateway.metric("kaiwa_session_ends_total", call="test", result="INTERNAL") == 1


async def test_turnaround_is_observed_for_every_frame(gateway: Gateway) -> None:
    await outputs_of(gateway, spoken_one_by_one(gateway, 3))
    assert gateway.metric("kaiwa_turnaround_seconds_count") == 3
    assert gateway.metric("kaiwa_frames_out_total") == 3
    assert gateway.metric("kaiwa_session_ends_total", call="test", result="NORMAL") == 1


async def test_a_gateway_that_drains_tells_its_conversations_once() -> None:
    async with running_gateway(drain_s=3) as gateway:
        heard = asyncio.Event()

        async def sounds() -> AsyncIterator[Samples]:
            yield FRAME
            gateway.server.draining.set()
            await heard.wait()

        async with aclosing(gateway.host.converse("test", link_of(gateway), sounds())) as outputs:
            notices = []
            async for output in outputs:
                if isinstance(output, GoingAway):
                    notices.append(output.grace_ms)
                    heard.set()
        assert notices == [3000]


VOICE = PcmFrame(0, FRAME)


async def test_an_outbox_gives_what_was_put_before_it_ends() -> None:
    outbox = Outbox(unread_s=5)
    with outbox.filling():
        outbox.put(VOICE, 0.0)
    assert await outbox.take() is VOICE
    assert await outbox.take() is None


async def test_an_outbox_raises_its_error_after_the_last_output() -> None:
    outbox = Outbox(unread_s=5)
    with outbox.filling():
        outbox.put(VOICE, 0.0)
        raise LookupError
    assert await outbox.take() is VOICE
    with pytest.raises(LookupError):
        await outbox.take()


async def test_an_outbox_refuses_what_waits_behind_an_output_that_is_too_old() -> None:
    outbox = Outbox(unread_s=5)
    outbox.put(VOICE, 0.0)
    outbox.put(VOICE, 5.0)
    with pytest.raises(SlowConsumer, match=r"the first output for 5\.1 s"):
        outbox.put(VOICE, 5.1)
    await outbox.take()
    outbox.put(VOICE, 5.2)


def test_a_seat_is_free_again_however_its_block_ends() -> None:
    seats = Seats(1)
    with pytest.raises(LookupError), seats.seat():
        raise LookupError
    with seats.seat():
        assert seats.taken == 1
    assert seats.taken == 0
