"""What a client of gRPC can ask of an open conversation, and what it is told."""

import numpy as np
import pytest
from gateway.running_gateway import (
    FRAME_DATA,
    Gateway,
    audio_message,
    config_message,
    dialogue,
    events_of,
    failure_of,
    next_audio,
    read_all,
)
from kaiwa.v1 import dialogue_pb2
from kaiwa.v1.dialogue_pb2 import ConverseRequest
from kaiwa.v1.settings_pb2 import SessionSettings


async def test_a_live_conversation_conceals_what_does_not_come_and_says_so(
    gateway: Gateway,
) -> None:
    async with dialogue(gateway) as call:
        await call.write(config_message(pace=dialogue_pb2.PACE_LIVE))
        await call.write(audio_message(FRAME_DATA))
        for index in range(3):
            assert (await next_audio(call)).frame_index == index
        await call.done_writing()
        summary = (await read_all(call))[-1].summary
    assert summary.frames_concealed >= 2 and summary.frames_in == summary.frames_out


async def test_a_muted_user_is_heard_as_silence(gateway: Gateway) -> None:
    async with dialogue(gateway) as call:
        await call.write(config_message())
        for muted in (True, False):
            await call.write(ConverseRequest(mute=dialogue_pb2.Mute(muted=muted)))
            await call.write(audio_message(FRAME_DATA))
            audio = await next_audio(call)
            assert np.frombuffer(audio.data, "<f4").any() != muted
        await call.done_writing()
        await read_all(call)


async def test_a_held_conversation_hears_nothing_until_it_goes_on(gateway: Gateway) -> None:
    async with dialogue(gateway) as call:
        await call.write(config_message())
        await call.write(ConverseRequest(hold=dialogue_pb2.Hold(held=True)))
        for _ in range(9):
            await call.write(audio_message(bytes(len(FRAME_DATA))))
        await call.write(ConverseRequest(hold=dialogue_pb2.Hold(held=False)))
        await call.write(audio_message(FRAME_DATA))
        audio = await next_audio(call)
        assert (audio.frame_index, audio.data) == (0, FRAME_DATA)
        await call.done_writing()
        assert (await read_all(call))[-1].summary.frames_in == 1


async def test_a_flush_is_answered(gateway: Gateway) -> None:
    async with dialogue(gateway) as call:
        await call.write(config_message())
        await call.write(audio_message(FRAME_DATA))
        await next_audio(call)
        await call.write(ConverseRequest(flush=dialogue_pb2.Flush()))
        flushed = (await call.read()).event
        assert (flushed.step, flushed.time_ms, flushed.flushed.frames) == (2, 160, 0)
        await call.done_writing()
        await read_all(call)


async def test_settings_in_mid_call_are_refused_by_name(gateway: Gateway) -> None:
    async with dialogue(gateway) as call:
        await call.write(config_message())
        await call.write(ConverseRequest(settings=SessionSettings(text_temperature=0)))
        status, reason, sentence = await failure_of(call)
    assert (status, reason) == ("FAILED_PRECONDITION", "NOT_SUPPORTED")
    assert "`settings` in mid-call" in sentence and "open a new conversation" in sentence


async def test_the_first_second_is_reported(gateway: Gateway) -> None:
    async with dialogue(gateway) as call:
        await call.write(config_message())
        for _ in range(14):
            await call.write(audio_message(FRAME_DATA))
        await call.done_writing()
        [event] = events_of(await read_all(call), "audio_report")
    assert event.audio_report.rms_dbfs == pytest.approx(-10.8, abs=0.1)
