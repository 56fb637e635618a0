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
from kaiwa_server.errors import BadSettings


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


def settings_message(**settings: float) -> ConverseRequest:
    return ConverseRequest(settings=SessionSettings(**settings))


async def test_other_settings_hold_from_the_next_frame_on_and_are_told(gateway: Gateway) -> None:
    async with dialogue(gateway) as call:
        await call.write(config_message())
        for _ in range(2):
            await call.write(audio_message(FRAME_DATA))
        await call.write(settings_message(text_temperature=0.25, audio_top_k=9))
        for _ in range(2):
            await call.write(audio_message(FRAME_DATA))
        await call.done_writing()
        responses = await read_all(call)
    [event] = events_of(responses, "sampling_changed")
    assert (event.step, event.time_ms) == (3, 240), "the step that hears the third frame"
    sampling = event.sampling_changed.sampling
    assert (sampling.text_temperature, sampling.audio_top_k) == (0.25, 9)
    assert responses[-1].summary.frames_in == 4, "nothing is lost by it"


async def test_the_last_settings_before_a_frame_are_what_it_is_asked(gateway: Gateway) -> None:
    async with dialogue(gateway) as call:
        await call.write(config_message(pace=dialogue_pb2.PACE_LIVE))
        await call.write(ConverseRequest(hold=dialogue_pb2.Hold(held=True)))
        for count in range(1, 200):
            await call.write(settings_message(audio_top_k=count))
        await call.write(settings_message(text_temperature=0.5))
        await call.write(ConverseRequest(hold=dialogue_pb2.Hold(held=False)))
        await call.write(audio_message(FRAME_DATA))
        await call.done_writing()
        [event] = events_of(await read_all(call), "sampling_changed")
    assert event.step == 1
    asked = SessionSettings()
    for settings in gateway.codec.settings:
        asked.MergeFrom(settings)
    assert (asked.audio_top_k, asked.text_temperature) == (199, 0.5)


async def test_settings_that_the_model_refuses_end_the_conversation_by_name(
    gateway: Gateway,
) -> None:
    gateway.codec.fails_at_step = (1, BadSettings("text_temperature is 9: give one from 0 to 5"))
    async with dialogue(gateway) as call:
        await call.write(config_message())
        await call.write(settings_message(text_temperature=9))
        await call.write(audio_message(FRAME_DATA))
        failure = await failure_of(call)
    assert failure == (
        "INVALID_ARGUMENT",
        "BAD_SETTINGS",
        "text_temperature is 9: give one from 0 to 5",
    )
    assert gateway.codec.settings[1].text_temperature == 9


async def test_a_fast_conversation_is_controlled_in_the_order_of_its_sound(
    gateway: Gateway,
) -> None:
    async with dialogue(gateway) as call:
        await call.write(config_message())
        for muted in (False, True, False):
            await call.write(ConverseRequest(mute=dialogue_pb2.Mute(muted=muted)))
            for _ in range(5):
                await call.write(audio_message(FRAME_DATA))
        await call.done_writing()
        voice = [r.audio.data for r in await read_all(call) if r.HasField("audio")]
    silent = bytes(len(FRAME_DATA))
    assert voice == [FRAME_DATA] * 5 + [silent] * 5 + [FRAME_DATA] * 5


async def test_the_first_second_is_reported(gateway: Gateway) -> None:
    async with dialogue(gateway) as call:
        await call.write(config_message())
        for _ in range(14):
            await call.write(audio_message(FRAME_DATA))
        await call.done_writing()
        [event] = events_of(await read_all(call), "audio_report")
    assert event.audio_report.rms_dbfs == pytest.approx(-10.8, abs=0.1)
