import asyncio
import re

import grpc
import numpy as np
import pytest
from gateway.running_gateway import (
    FRAME,
    FRAME_DATA,
    PCM,
    Gateway,
    audio_message,
    config_message,
    dialogue,
    events_of,
    failure_of,
    next_audio,
    read_all,
    running_gateway,
    until_nobody_is_held,
)
from kaiwa.opus import OpusDecoder, OpusEncoder
from kaiwa.v1 import dialogue_pb2, dialogue_pb2_grpc, lm_pb2
from kaiwa.v1.dialogue_pb2 import AudioFormat, ConverseRequest
from kaiwa.v1.settings_pb2 import START_POLICY_DROP_FIRST_FRAME
from kaiwa_server.gateway.formats import OggOpusDecoder, OggOpusEncoder

OPUS = AudioFormat(encoding=dialogue_pb2.AUDIO_ENCODING_OPUS)
S16 = AudioFormat(encoding=dialogue_pb2.AUDIO_ENCODING_PCM_S16LE)


async def test_a_conversation_goes_from_ready_to_summary(gateway: Gateway) -> None:
    gateway.codec.words = {1: ("Hel", True), 2: ("lo", False)}
    async with dialogue(gateway) as call:
        await call.write(config_message(seed=11))
        for _ in range(3):
            await call.write(audio_message(FRAME_DATA))
        await call.done_writing()
        responses = await read_all(call)
    kinds = [response.WhichOneof("response") for response in responses]
    assert kinds == ["ready", "text", "event", "audio", "text", "audio", "audio", "summary"]
    assert responses[2].event.HasField("speaking_started")
    ready, first, summary = responses[0].ready, responses[1].text, responses[-1].summary
    assert (ready.seed, ready.model_name, ready.context_steps) == (11, "parrot", 3000)
    assert ready.model_fingerprint == "ab" * 32 and 0 < len(ready.session_id) <= 64
    assert (first.text, first.starts_word, first.step, first.time_ms) == ("Hel", True, 1, 80)
    voice = [response.audio for response in responses if response.HasField("audio")]
    assert [(audio.frame_index, audio.data) for audio in voice] == [
        (index, FRAME_DATA) for index in range(3)
    ]
    assert (summary.frames_in, summary.frames_out, summary.frames_dropped) == (3, 3, 0)
    assert summary.seed == 11 and summary.turnaround_p50_ms > 0


async def test_settings_reach_the_codec_service_as_they_are(gateway: Gateway) -> None:
    config = config_message(text_temperature=0.25, audio_top_k=9, seed=3)
    async with dialogue(gateway) as call:
        await call.write(config)
        await call.done_writing()
        await read_all(call)
    assert gateway.codec.settings == [config.config.settings]


async def test_a_session_that_drops_the_first_frame_ends_as_it_should(gateway: Gateway) -> None:
    async with dialogue(gateway) as call:
        await call.write(config_message(start_policy=START_POLICY_DROP_FIRST_FRAME))
        for _ in range(3):
            await call.write(audio_message(FRAME_DATA))
        await call.done_writing()
        responses = await read_all(call)
    assert (responses[-1].summary.frames_in, responses[-1].summary.frames_out) == (3, 2)


@pytest.mark.parametrize("packet_samples", [480, 1920])
async def test_opus_goes_in_and_comes_out(gateway: Gateway, packet_samples: int) -> None:
    sound = (0.5 * np.sin(np.arange(9600) * 0.1)).astype(np.float32)
    encoder, decoder, heard = OpusEncoder(), OpusDecoder(), []
    async with dialogue(gateway) as call:
        await call.write(config_message(OPUS, OPUS))
        assert (await call.read()).HasField("ready")
        for frame in sound.reshape(-1, 1920):
            for piece in frame.reshape(-1, packet_samples):
                await call.write(audio_message(encoder.encode(piece)))
            heard.append(decoder.decode((await next_audio(call)).data))
        await call.done_writing()
        await read_all(call)
    assert [len(frame) for frame in heard] == [1920] * 5
    assert np.sqrt((heard[-1] ** 2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


async def test_opus_is_what_is_spoken_when_no_format_is_named(gateway: Gateway) -> None:
    async with dialogue(gateway) as call:
        await call.write(config_message(AudioFormat(), AudioFormat()))
        await call.write(audio_message(OpusEncoder().encode(np.zeros(1920, np.float32))))
        await call.done_writing()
        responses = await read_all(call)
    [voice] = [response.audio for response in responses if response.HasField("audio")]
    assert OpusDecoder().decode(voice.data).shape == (1920,)


async def test_integers_go_in_and_come_out(gateway: Gateway) -> None:
    data = (FRAME * 32767).astype("<i2").tobytes()
    async with dialogue(gateway) as call:
        await call.write(config_message(S16, S16))
        await call.write(audio_message(data))
        await call.done_writing()
        responses = await read_all(call)
    heard = np.frombuffer(responses[2].audio.data, "<i2").astype(int)
    assert np.abs(heard - np.frombuffer(data, "<i2")).max() <= 1


async def test_the_two_directions_may_have_formats_of_their_own(gateway: Gateway) -> None:
    wide = AudioFormat(encoding=dialogue_pb2.AUDIO_ENCODING_PCM_S16LE, sample_rate_hz=48_000)
    telephone = AudioFormat(encoding=dialogue_pb2.AUDIO_ENCODING_MULAW)
    async with dialogue(gateway) as call:
        await call.write(config_message(wide, telephone))
        for _ in range(3):
            await call.write(audio_message(bytes(2 * 3840)))
        await call.done_writing()
        responses = await read_all(call)
    voice = [response.audio.data for response in responses if response.HasField("audio")]
    assert [len(data) for data in voice] == [640] * 3
    assert set(b"".join(voice)) == {0xFF}, "silence in mu-law"


async def test_an_ogg_stream_goes_in_and_comes_out(gateway: Gateway) -> None:
    ogg = AudioFormat(encoding=dialogue_pb2.AUDIO_ENCODING_OGG_OPUS)
    encoder, decoder, heard = OggOpusEncoder(1), OggOpusDecoder(), []
    sound = (0.5 * np.sin(np.arange(9600) * 0.1)).astype(np.float32)
    async with dialogue(gateway) as call:
        await call.write(config_message(ogg, ogg))
        assert (await call.read()).HasField("ready")
        for frame in sound.reshape(-1, 1920):
            page = encoder.encode(frame)
            await call.write(audio_message(page[:50]))
            await call.write(audio_message(page[50:]))
            heard.append(decoder.decode((await next_audio(call)).data))
        await call.done_writing()
        await read_all(call)
    assert [len(frame) for frame in heard] == [1920] * 5
    assert np.sqrt((heard[-1] ** 2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


async def test_what_was_said_before_the_half_close_is_heard_to_the_end(gateway: Gateway) -> None:
    async with dialogue(gateway) as call:
        await call.write(config_message())
        await call.write(audio_message(FRAME_DATA))
        await call.write(audio_message(FRAME_DATA[:400]))
        await call.done_writing()
        responses = await read_all(call)
    kinds = [response.WhichOneof("response") for response in responses[1:]]
    assert kinds == ["event", "audio", "audio", "summary"]
    assert responses[3].audio.data == FRAME_DATA[:400] + bytes(len(FRAME_DATA) - 400)


async def test_the_client_is_told_when_the_context_rolls(gateway: Gateway) -> None:
    gateway.codec.model = lm_pb2.ModelInfo(context_steps=2)
    async with dialogue(gateway) as call:
        await call.write(config_message())
        await call.read()
        for _ in range(3):
            await call.write(audio_message(FRAME_DATA))
        await call.done_writing()
        responses = await read_all(call)
    [event] = events_of(responses, "context_rolled")
    assert (event.step, event.time_ms, event.context_rolled.context_steps) == (2, 160, 2)


async def test_open_sessions_are_told_that_the_gateway_drains() -> None:
    async with running_gateway(lame_duck_s=0.1) as gateway, dialogue(gateway) as call:
        await call.write(config_message())
        await call.write(audio_message(FRAME_DATA))
        assert await next_audio(call)
        draining = asyncio.create_task(gateway.server.drain())
        event = (await call.read()).event
        assert (event.step, event.going_away.grace_ms) == (2, 300)
        await call.done_writing()
        assert (await read_all(call))[-1].HasField("summary")
        await draining


FORMAT_44 = AudioFormat(encoding=dialogue_pb2.AUDIO_ENCODING_PCM_S16LE, sample_rate_hz=44_100)
UNKNOWN_FORMAT = AudioFormat(encoding=77)  # type: ignore[arg-type]
OPUS_PACKET = OpusEncoder().encode(FRAME)


@pytest.mark.parametrize(
    ("messages", "reason", "sentence"),
    [
        ([audio_message(FRAME_DATA)], "CONFIG_MISSING", "send it first"),
        ([ConverseRequest()], "CONFIG_MISSING", "send it first"),
        ([config_message(), config_message()], "CONFIG_REPEATED", "given once"),
        ([config_message(), ConverseRequest()], "BAD_FRAME", "send `audio`"),
        ([config_message(pace=77)], "BAD_SETTINGS", "pace 77 .* ask for PACE_LIVE"),
        ([config_message(FORMAT_44)], "UNSUPPORTED_AUDIO", "at 44100 Hz .* 24000, 48000 Hz"),
        ([config_message(PCM, FORMAT_44)], "UNSUPPORTED_AUDIO", "at 44100 Hz .* 24000, 48000 Hz"),
        ([config_message(UNKNOWN_FORMAT)], "UNSUPPORTED_AUDIO", "encoding 77 .* send Opus"),
        ([config_message(S16), audio_message(bytes(3))], "BAD_FRAME", "3 bytes"),
        ([config_message(S16), audio_message(bytes(5762))], "PACKET_TOO_LARGE", "120 ms"),
        ([config_message(PCM), audio_message(b"\xff" * 4)], "BAD_FRAME", "NaN"),
        ([config_message(OPUS), audio_message(b"\x01\x02\x03\x04")], "BAD_OPUS", "not an Opus"),
        ([config_message(OPUS), audio_message(OPUS_PACKET[:2])], "BAD_OPUS", "not an Opus"),
        ([config_message(OPUS), audio_message(b"OggS" + bytes(9))], "BAD_OPUS", "OGG_OPUS"),
        ([config_message(OPUS), audio_message(bytes(1501))], "PACKET_TOO_LARGE", "1500 bytes"),
    ],
)
async def test_wrong_messages_are_refused_with_a_reason_and_a_sentence(
    gateway: Gateway, messages: list[ConverseRequest], reason: str, sentence: str
) -> None:
    async with dialogue(gateway) as call:
        for message in messages:
            await call.write(message)
        ended = await failure_of(call)
    assert ended[:2] == ("INVALID_ARGUMENT", reason)
    assert re.search(sentence, ended[2])


async def test_a_client_that_sends_no_first_message_is_refused(gateway: Gateway) -> None:
    async with dialogue(gateway) as call:
        await call.wait_for_connection()
        status, reason, sentence = await failure_of(call)
    assert (status, reason) == ("DEADLINE_EXCEEDED", "CONFIG_TIMEOUT")
    assert "within 0.3 s: send the config" in sentence


async def test_a_client_that_half_closes_without_a_message_is_refused(gateway: Gateway) -> None:
    async with dialogue(gateway) as call:
        await call.done_writing()
        assert (await failure_of(call))[1] == "CONFIG_MISSING"


async def test_a_full_gateway_says_so_and_its_sessions_go_on(gateway: Gateway) -> None:
    async with dialogue(gateway) as first, dialogue(gateway) as second, dialogue(gateway) as third:
        for call in (first, second):
            await call.write(config_message())
            assert (await call.read()).HasField("ready")
        await third.write(config_message())
        status, reason, sentence = await failure_of(third)
        assert (status, reason) == ("RESOURCE_EXHAUSTED", "FULL")
        assert "all 2 conversations" in sentence and "try again" in sentence
        for call in (first, second):
            await call.write(audio_message(FRAME_DATA))
            assert await next_audio(call)
            await call.done_writing()
            assert (await read_all(call))[-1].HasField("summary")
    assert gateway.metric("kaiwa_admissions_total", call="Converse", result="FULL") == 1
    assert gateway.metric("kaiwa_admissions_total", call="Converse", result="ACCEPTED") == 2


async def test_a_gateway_that_is_not_ready_says_so_every_time() -> None:
    async with running_gateway(ready=False) as gateway:
        for _ in range(50):
            async with dialogue(gateway) as call:
                await call.write(config_message())
                status, reason, sentence = await failure_of(call)
            assert (status, reason) == ("UNAVAILABLE", "NOT_READY")
            assert "try again" in sentence


async def test_a_client_that_reads_nothing_is_ended() -> None:
    async with running_gateway(unread_s=0.3) as gateway:
        # Flow control lets some frames go to a client that does not look at them.
        small_windows = (("grpc.http2.lookahead_bytes", 65_536), ("grpc.http2.bdp_probe", 0))
        async with grpc.aio.insecure_channel(gateway.address, options=small_windows) as channel:
            call = dialogue_pb2_grpc.DialogueServiceStub(channel).Converse()
            await call.write(config_message())
            assert (await call.read()).HasField("ready")
            await until_nobody_is_held(gateway, lambda: call.write(audio_message(FRAME_DATA)))
            status, reason, sentence = await failure_of(call)
    assert (status, reason) == ("ABORTED", "SLOW_CONSUMER")
    assert "nothing was read for 0.3 s: read what comes" in sentence


async def test_a_silent_client_is_ended() -> None:
    async with running_gateway(silence_s=0.2) as gateway, dialogue(gateway) as call:
        await call.write(config_message())
        status, reason, sentence = await failure_of(call)
        await gateway.is_empty()
    assert (status, reason) == ("DEADLINE_EXCEEDED", "CLIENT_SILENT")
    assert "nothing came for 0.2 s" in sentence


@pytest.mark.parametrize("moment", ["connected", "config", "ready", "spoke", "heard"])
async def test_a_client_that_cancels_at_any_moment_leaves_nothing(
    gateway: Gateway, moment: str
) -> None:
    async with dialogue(gateway) as call:
        await call.wait_for_connection()
        if moment != "connected":
            await call.write(config_message())
        if moment in ("ready", "spoke", "heard"):
            assert (await call.read()).HasField("ready")
        if moment in ("spoke", "heard"):
            await call.write(audio_message(FRAME_DATA))
        if moment == "heard":
            assert await next_audio(call)
        call.cancel()
    await gateway.is_empty()


async def test_a_client_whose_connection_breaks_leaves_nothing(gateway: Gateway) -> None:
    channel = grpc.aio.insecure_channel(gateway.address)
    call = dialogue_pb2_grpc.DialogueServiceStub(channel).Converse()
    await call.write(config_message())
    assert (await call.read()).HasField("ready")
    await call.write(audio_message(FRAME_DATA))
    await channel.close()
    await gateway.is_empty()
    assert gateway.metric("kaiwa_session_ends_total", call="Converse", result="CLIENT_GONE") == 1


async def test_service_info_counts_the_sessions_and_asks_the_services_behind(
    gateway: Gateway,
) -> None:
    async with dialogue(gateway) as call, grpc.aio.insecure_channel(gateway.address) as channel:
        await call.write(config_message())
        assert (await call.read()).HasField("ready")
        stub = dialogue_pb2_grpc.DialogueServiceStub(channel)
        info = await stub.GetServiceInfo(dialogue_pb2.GetServiceInfoRequest())
        assert (info.sessions, info.max_sessions) == (1, 2)
        assert info.gateway_version and info.codec.lm.model.name == "parrot"
        assert gateway.metric("kaiwa_sessions") == 1
        await gateway.codec_server.die()
        info = await stub.GetServiceInfo(dialogue_pb2.GetServiceInfoRequest())
        assert not info.HasField("codec")


async def test_broken_opus_is_counted(gateway: Gateway) -> None:
    async with dialogue(gateway) as call:
        await call.write(config_message(OPUS))
        await call.write(audio_message(b"\x01\x02\x03\x04"))
        await failure_of(call)
    assert gateway.metric("kaiwa_opus_errors_total") == 1
    assert gateway.metric("kaiwa_session_ends_total", call="Converse", result="BAD_OPUS") == 1
