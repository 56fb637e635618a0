"""`Render`: a file in, the reply out, over a fake codec service that says what it hears."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
import pytest
from gateway.running_gateway import (
    FRAME_DATA,
    PCM,
    Gateway,
    events_of,
    failure_of,
    read_all,
    running_gateway,
    until,
)
from kaiwa.opus import OpusDecoder, OpusEncoder
from kaiwa.v1 import dialogue_pb2, dialogue_pb2_grpc
from kaiwa.v1.dialogue_pb2 import AudioFormat, RenderRequest
from kaiwa_server.gateway.formats import OggOpusEncoder
from kaiwa_server.gateway.ogg import OggOpusWriter

OPUS = AudioFormat(encoding=dialogue_pb2.AUDIO_ENCODING_OPUS)
OGG = AudioFormat(encoding=dialogue_pb2.AUDIO_ENCODING_OGG_OPUS)
S16 = AudioFormat(encoding=dialogue_pb2.AUDIO_ENCODING_PCM_S16LE)
TONE = (0.5 * np.sin(np.arange(48_000) * 0.1)).astype(np.float32)


def ogg_file(sound: np.ndarray) -> bytes:
    encoder = OggOpusEncoder(1)
    frames = sound.reshape(-1, 1920)
    return b"".join(map(encoder.encode, frames)) + encoder.end()


OGG_DATA = ogg_file(TONE[:3840])


def config(
    input_format: AudioFormat = PCM,
    output_format: AudioFormat = PCM,
    before_ms: int | None = 0,
    after_ms: int | None = 0,
    **settings: Any,
) -> RenderRequest:
    message = dialogue_pb2.RenderConfig(
        input_format=input_format,
        output_format=output_format,
        silence_before_ms=before_ms,
        silence_after_ms=after_ms,
    )
    for name, value in settings.items():
        setattr(message.settings, name, value)
    return RenderRequest(config=message)


def piece(data: bytes) -> RenderRequest:
    return RenderRequest(audio=dialogue_pb2.InputAudio(data=data))


@asynccontextmanager
async def rendering(gateway: Gateway) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(gateway.address) as channel:
        yield dialogue_pb2_grpc.DialogueServiceStub(channel).Render()


async def render(gateway: Gateway, *messages: RenderRequest) -> list[Any]:
    async def requests() -> AsyncIterator[RenderRequest]:
        for message in messages:
            yield message

    async with grpc.aio.insecure_channel(gateway.address) as channel:
        stub = dialogue_pb2_grpc.DialogueServiceStub(channel)
        return [response async for response in stub.Render(requests())]


def voice_of(responses: list[Any]) -> list[bytes]:
    return [response.audio.data for response in responses if response.HasField("audio")]


def cut(data: bytes, size: int) -> Sequence[RenderRequest]:
    return [piece(data[start : start + size]) for start in range(0, len(data), size)]


async def test_a_file_is_answered_from_ready_to_summary(gateway: Gateway) -> None:
    gateway.codec.words = {1: ("Hel", True), 2: ("lo", False)}
    responses = await render(gateway, config(seed=11), piece(FRAME_DATA * 3))
    kinds = [response.WhichOneof("response") for response in responses]
    assert kinds == ["ready", "text", "event", "audio", "text", "audio", "audio", "summary"]
    assert responses[0].ready.seed == 11
    assert voice_of(responses) == [FRAME_DATA] * 3
    summary = responses[-1].summary
    assert (summary.frames_in, summary.frames_out, summary.frames_dropped) == (3, 3, 0)


async def test_silence_is_heard_before_and_after_the_file(gateway: Gateway) -> None:
    responses = await render(gateway, config(PCM, PCM, 160, 240), piece(FRAME_DATA))
    silent = bytes(len(FRAME_DATA))
    assert voice_of(responses) == [silent] * 2 + [FRAME_DATA] + [silent] * 3
    [started] = events_of(responses, "speaking_started")
    assert started.time_ms == 240


async def test_the_file_follows_the_silence_to_the_sample(gateway: Gateway) -> None:
    responses = await render(gateway, config(PCM, PCM, 20, 0), piece(FRAME_DATA))
    heard = b"".join(voice_of(responses))
    assert heard == bytes(480 * 4) + FRAME_DATA + bytes(1440 * 4)


async def test_there_is_room_for_a_greeting_and_an_answer_if_nothing_is_said(
    gateway: Gateway,
) -> None:
    responses = await render(gateway, config(PCM, PCM, None, None), piece(FRAME_DATA * 4))
    assert responses[-1].summary.frames_out == -(-(3_500 + 320 + 8_000) // 80)


async def test_nothing_is_lost_of_a_file_however_fast_it_is_sent(gateway: Gateway) -> None:
    data = TONE.astype("<f4").tobytes() * 10  # 20 s
    responses = await render(gateway, config(), *cut(data, 60_000))
    assert b"".join(voice_of(responses)) == data
    summary = responses[-1].summary
    assert (summary.frames_dropped, summary.frames_concealed) == (0, 0)
    assert summary.voice_frames_dropped == 0
    assert not events_of(responses, "lag")


@pytest.mark.parametrize("size", [1_999, 3_840, 65_000])
async def test_samples_may_be_cut_anywhere(gateway: Gateway, size: int) -> None:
    data = (TONE * 32_767).astype("<i2").tobytes()
    whole = await render(gateway, config(S16), *cut(data, 4_800))
    pieces = await render(gateway, config(S16), *cut(data, size))
    assert voice_of(pieces) == voice_of(whole)
    assert len(voice_of(pieces)) == 25


@pytest.mark.parametrize("size", [100, 65_000])
async def test_an_ogg_file_may_be_cut_anywhere_and_need_not_come_in_time(
    gateway: Gateway, size: int
) -> None:
    data = ogg_file(np.tile(TONE, 5))  # 10 s: five times what a message to Converse may hold
    responses = await render(gateway, config(OGG), *cut(data, size))
    heard = np.frombuffer(b"".join(voice_of(responses)), "<f4")
    assert len(heard) == 240_000
    assert np.sqrt((heard[2_400:] ** 2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


async def test_a_few_bytes_that_are_hours_are_read_no_faster_than_they_are_heard(
    gateway: Gateway,
) -> None:
    """Sixty kilobytes can be half an hour of silence: it waits as bytes."""
    writer = OggOpusWriter(1, 24_000, 0)
    packet = OpusEncoder().encode(np.zeros(2880, np.float32))
    data = writer.headers() + b"".join(writer.page(packet, 2880) for _ in range(1_000))
    gateway.codec.freezes_at_step = 3
    async with rendering(gateway) as call:
        await call.write(config(OGG))
        for message in cut(data, 60_000):
            await call.write(message)
        await until(lambda: gateway.codec.frames_heard == 3)
        call.cancel()
        gateway.codec.thaw.set()
    await gateway.is_empty()


async def test_raw_opus_is_a_packet_in_each_message(gateway: Gateway) -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    packets = [piece(encoder.encode(frame)) for frame in TONE.reshape(-1, 1920)]
    responses = await render(gateway, config(OPUS, OPUS), *packets)
    heard = np.concatenate([decoder.decode(data) for data in voice_of(responses)])
    assert np.sqrt((heard[2_400:] ** 2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize(
    ("messages", "reason", "sentence"),
    [
        ([piece(FRAME_DATA)], "CONFIG_MISSING", "send it first"),
        ([config(), config()], "CONFIG_REPEATED", "whole call"),
        ([config(), RenderRequest()], "BAD_FRAME", "send `audio`"),
        ([config(after_ms=60_001)], "BAD_SETTINGS", "silence_after_ms is 60001: give 0 to 60000"),
        ([config(before_ms=-1)], "BAD_SETTINGS", "silence_before_ms is -1: give 0 to 60000"),
        ([config(S16), piece(bytes(3))], "BAD_FRAME", "3 bytes"),
        ([config(OGG), piece(b"RIFF")], "BAD_OGG", "begins with 'OggS'"),
        ([config(OGG)], "BAD_OGG", "cut off; send all of it"),
        ([config(OGG), piece(OGG_DATA[:-9])], "BAD_OGG", "the file was cut off; send all of it"),
        ([config(OPUS), piece(b"\x01\x02\x03\x04")], "BAD_OPUS", "not an Opus"),
        (
            [config(S16), piece(b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(6_000))],
            "UNSUPPORTED_AUDIO",
            "a WAV file, header and all: send the samples",
        ),
    ],
)
async def test_what_is_wrong_is_refused_with_a_reason_and_a_sentence(
    gateway: Gateway, messages: list[RenderRequest], reason: str, sentence: str
) -> None:
    async with rendering(gateway) as call:
        for message in messages:
            await call.write(message)
        await call.done_writing()
        ended = await failure_of(call)
    assert ended[:2] == ("INVALID_ARGUMENT", reason)
    assert re.search(sentence, ended[2])


async def test_a_rendering_takes_a_seat_and_gives_it_back(gateway: Gateway) -> None:
    gateway.codec.freezes_at_step = 1
    async with rendering(gateway) as first, rendering(gateway) as second:
        for call in (first, second):
            await call.write(config())
            assert (await call.read()).HasField("ready")
        async with rendering(gateway) as third:
            await third.write(config())
            assert (await failure_of(third))[:2] == ("RESOURCE_EXHAUSTED", "FULL")
        first.cancel()
        second.cancel()
        gateway.codec.thaw.set()
    await gateway.is_empty()
    assert gateway.metric("kaiwa_session_ends_total", call="Render", result="CLIENT_GONE") == 2


async def test_a_file_that_does_not_go_on_is_ended() -> None:
    async with running_gateway(silence_s=0.2) as gateway, rendering(gateway) as call:
        await call.write(config())
        await call.write(piece(FRAME_DATA))
        assert (await failure_of(call))[:2] == ("DEADLINE_EXCEEDED", "CLIENT_SILENT")
        await gateway.is_empty()


async def test_a_reply_is_kept_for_who_reads_it_late_without_a_gap(gateway: Gateway) -> None:
    async with rendering(gateway) as call:
        await call.write(config(PCM, PCM, 0, 4_000))
        await call.write(piece(FRAME_DATA))
        await call.done_writing()
        await until(lambda: gateway.codec.frames_heard > 5)
        responses = await read_all(call)
    indices = [response.audio.frame_index for response in responses if response.HasField("audio")]
    assert indices == list(range(51))
