import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import numpy as np
import pytest
from gateway.running_gateway import FRAME, Gateway, running_gateway, until
from kaiwa.v1.settings_pb2 import SessionSettings
from kaiwa_server.audio import PcmFrame
from kaiwa_server.errors import ClientSilent, HoldTooLong, SlowConsumer
from kaiwa_server.gateway.codec_link import CodecLink
from kaiwa_server.gateway.inputs import Flush, Hold, Input, Mute
from kaiwa_server.gateway.outbox import Outbox
from kaiwa_server.gateway.outputs import (
    Flushed,
    FramesConcealed,
    FramesDropped,
    GoingAway,
    Output,
    Ready,
    SpeakingStarted,
    Summary,
    VoiceDropped,
)
from kaiwa_server.gateway.pace import Pace
from kaiwa_server.gateway.seats import Seats
from kaiwa_server.journal import TextPiece
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def link_of(gateway: Gateway) -> CodecLink:
    return CodecLink(gateway.service, SessionSettings())


async def outputs_of(
    gateway: Gateway, inputs: AsyncIterator[Input], pace: Pace = Pace.FAST
) -> list[Output]:
    conversation = gateway.host.converse("test", link_of(gateway), inputs, pace)
    return [output async for output in conversation]


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

    outputs = await outputs_of(gateway, sounds(), Pace.LIVE)
    # Three are on their way when seven more come, and three of these can wait.
    assert FramesDropped(step=4, frames=4, total_frames=4) in outputs
    voice = [output.samples[-1] for output in outputs if isinstance(output, PcmFrame)]
    assert voice == [0, 1, 2, 7, 8, 9]
    summary = outputs[-1]
    assert isinstance(summary, Summary)
    assert (summary.frames_in, summary.frames_out, summary.frames_dropped) == (6, 6, 4)
    assert gateway.metric("kaiwa_frames_dropped_total") == 4


async def test_a_fast_user_is_read_no_faster_than_the_model_hears(gateway: Gateway) -> None:
    gateway.codec.freezes_at_step = 1
    read = 0

    async def sounds() -> AsyncIterator[Samples]:
        nonlocal read
        for number in range(20):
            read += 1
            yield np.full(1920, number, np.float32)

    outputs = asyncio.create_task(outputs_of(gateway, sounds()))
    await until(lambda: read == 6)  # three on their way, and three that wait
    gateway.codec.thaw.set()
    voice = [output.samples[-1] for output in await outputs if isinstance(output, PcmFrame)]
    assert voice == list(range(20))


async def test_sound_that_does_not_come_is_made_up_and_told(gateway: Gateway) -> None:
    async def sounds() -> AsyncIterator[Samples]:
        yield FRAME
        await until(lambda: gateway.codec.frames_heard == 3)

    outputs = await outputs_of(gateway, sounds(), Pace.LIVE)
    concealed = [output for output in outputs if isinstance(output, FramesConcealed)]
    assert [event.step for event in concealed[:2]] == [2, 3]
    voice = [output for output in outputs if isinstance(output, PcmFrame)]
    assert [frame.index for frame in voice[:3]] == [0, 1, 2]
    assert not voice[2].samples.any()
    summary = outputs[-1]
    assert isinstance(summary, Summary) and summary.frames_concealed >= 2
    assert gateway.metric("kaiwa_frames_concealed_total") == concealed[-1].total_frames


async def test_a_muted_or_held_client_may_be_silent_and_others_may_not() -> None:
    async with running_gateway(silence_s=0.1) as gateway:

        async def sounds() -> AsyncIterator[Input]:
            for control in (Mute(True), Hold(True)):
                yield control
                await asyncio.sleep(0.2)  # the time itself is what is tested
            yield Mute(False)
            yield Hold(False)
            await asyncio.sleep(60)

        with pytest.raises(ClientSilent):
            await outputs_of(gateway, sounds(), Pace.LIVE)
        await gateway.is_empty()


async def test_a_held_conversation_is_ended_after_the_time_that_the_operator_gives() -> None:
    async def sounds() -> AsyncIterator[Input]:
        yield Hold(True)
        await asyncio.Event().wait()

    async with running_gateway(hold_s=0.1) as gateway:
        with pytest.raises(HoldTooLong, match=r"held for 0\.1 s"):
            await outputs_of(gateway, sounds())
        await gateway.is_empty()


async def test_a_flush_leaves_out_what_waits_of_the_voice(gateway: Gateway) -> None:
    flush = asyncio.Event()

    async def sounds() -> AsyncIterator[Input]:
        for _ in range(4):
            yield FRAME
        await flush.wait()
        yield Flush()
        yield FRAME

    conversation = gateway.host.converse("test", link_of(gateway), sounds(), Pace.FAST)
    async with aclosing(conversation) as outputs:
        assert isinstance(await anext(outputs), Ready)
        # One output is taken, so that the conversation runs; then nothing is until the flush.
        assert isinstance(await anext(outputs), SpeakingStarted)
        await until(lambda: gateway.metric("kaiwa_frames_out_total") == 4)
        flush.set()
        await until(lambda: gateway.metric("kaiwa_frames_out_total") == 5)
        kept = [output async for output in outputs if isinstance(output, Flushed | PcmFrame)]
    flushed, new = kept
    assert flushed == Flushed(step=5, frames=4)
    assert isinstance(new, PcmFrame) and new.index == 4


async def test_a_client_that_reads_nothing_frees_its_slots_before_it_is_told() -> None:
    async with running_gateway(unread_s=0.3) as gateway:
        sounds = spoken_one_by_one(gateway, 40)
        conversation = gateway.host.converse("test", link_of(gateway), sounds, Pace.FAST)
        async with aclosing(conversation) as outputs:
            assert isinstance(await anext(outputs), Ready)
            assert isinstance(await anext(outputs), SpeakingStarted)
            await gateway.is_empty()
            unread = []
            with pytest.raises(SlowConsumer, match=r"nothing was read for 0\.3 s"):
                async for output in outputs:
                    unread.append(output)
        assert [output.index for output in unread] == [0, 1, 2, 3, 4]


async def test_a_conversation_that_is_closed_frees_its_slots_at_once(gateway: Gateway) -> None:
    async def sounds() -> AsyncIterator[Samples]:
        yield FRAME
        await asyncio.Event().wait()

    outputs = gateway.host.converse("test", link_of(gateway), sounds(), Pace.FAST)
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

        conversation = gateway.host.converse("test", link_of(gateway), sounds(), Pace.FAST)
        async with aclosing(conversation) as outputs:
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


def voice(index: int) -> PcmFrame:
    return PcmFrame(index, FRAME)


async def test_an_outbox_leaves_out_the_oldest_voice_above_400_ms_and_says_so_in_its_place() -> (
    None
):
    outbox = Outbox(unread_s=5)
    word = TextPiece(1, "Hello", True)
    for output in (voice(0), word, voice(1), voice(2), voice(3), voice(4)):
        outbox.put(output, 0.0)
    outbox.put(voice(5), 0.1)
    outbox.put(voice(6), 0.2)
    outbox.put(voice(7), 0.3)
    with outbox.filling():
        pass
    taken = [output async for output in _all(outbox)]
    assert taken[:4] == [VoiceDropped(1, 1, 1), word, VoiceDropped(2, 2, 3), taken[3]]
    assert [frame.index for frame in taken[3:]] == [3, 4, 5, 6, 7]
    assert outbox.frames_dropped == 3


async def _all(outbox: Outbox) -> AsyncIterator[Output]:
    while (output := await outbox.take()) is not None:
        yield output


async def test_an_outbox_gives_up_on_whoever_takes_nothing_for_too_long() -> None:
    outbox = Outbox(unread_s=5)
    for index in range(51):
        outbox.put(voice(index), index * 0.1)
    with pytest.raises(SlowConsumer, match="nothing was read for 5 s"):
        outbox.put(voice(51), 5.1)
    while isinstance(await outbox.take(), VoiceDropped):
        pass
    outbox.put(voice(51), 5.1)


async def test_an_outbox_has_room_again_when_a_frame_is_taken_or_flushed() -> None:
    outbox = Outbox(unread_s=5)
    for index in range(5):
        await outbox.room()
        outbox.put(voice(index), 0.0)
    for relief in (outbox.take, flushing(outbox)):
        waiting = asyncio.create_task(outbox.room())
        await asyncio.sleep(0)
        assert not waiting.done()
        await relief()
        await waiting
        outbox.put(voice(9), 0.0)


def flushing(outbox: Outbox) -> Callable[[], Awaitable[None]]:
    async def flush() -> None:
        outbox.flush(9, 0.0)

    return flush


async def test_a_flush_that_finds_nothing_is_answered_too() -> None:
    outbox = Outbox(unread_s=5)
    outbox.flush(3, 0.0)
    assert await outbox.take() == Flushed(3, 0)


def test_a_seat_is_free_again_however_its_block_ends() -> None:
    seats = Seats(1)
    with pytest.raises(LookupError), seats.seat():
        raise LookupError
    with seats.seat():
        assert seats.taken == 1
    assert seats.taken == 0
