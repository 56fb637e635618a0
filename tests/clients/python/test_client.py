"""The client against a real gRPC server."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable

import grpc
import numpy as np
import pytest
from clients.python.fake_dialogue import FRAME_SAMPLES, FakeDialogue, Response, refuse, tone
from kaiwa.client import Encoding, Settings, Talk, connect
from kaiwa.errors import KaiwaError
from kaiwa.events import (
    Audio,
    AudioReport,
    ContextRolled,
    Event,
    Flushed,
    FramesConcealed,
    FramesDropped,
    GoingAway,
    Lag,
    SamplingChanged,
    SpeakingStarted,
    SpeakingStopped,
    Summary,
    Text,
    VoiceDropped,
)
from kaiwa.info import service_info
from kaiwa.opus import OpusDecoder, OpusEncoder
from kaiwa.v1 import dialogue_pb2, settings_pb2

Serve = Callable[[FakeDialogue], Awaitable[str]]


async def say(talk: Talk, frames: int) -> list[Event]:
    """Says frames of silence and gives all that is answered."""
    await talk.send(np.zeros(frames * FRAME_SAMPLES, np.float32))
    await talk.end()
    return [event async for event in talk]


async def test_a_conversation_begins_with_what_the_service_said_of_itself(serve: Serve) -> None:
    target = await serve(FakeDialogue())
    async with connect(target, encoding="pcm") as talk:
        assert talk.ready.model_name == "fake-moshi"
        assert talk.ready.seed == 4711
        assert talk.ready.context_steps == 3000


async def test_samples_arrive_unchanged_in_pieces_that_the_service_takes(serve: Serve) -> None:
    fake = FakeDialogue()
    sound = np.random.default_rng(1).uniform(-1, 1, 10_001).astype(np.float32)
    async with connect(await serve(fake), encoding="pcm") as talk:
        await talk.send(sound)
        await talk.end()
        _ = [event async for event in talk]
    assert max(map(len, fake.packets)) <= 2880 * 4
    assert np.array_equal(np.concatenate(fake.heard), sound)


async def test_frames_come_in_order_and_hold_their_samples(serve: Serve) -> None:
    async with connect(await serve(FakeDialogue()), encoding="pcm") as talk:
        frames = [event for event in await say(talk, 5) if isinstance(event, Audio)]
    assert [frame.frame_index for frame in frames] == [0, 1, 2, 3, 4]
    for frame in frames:
        assert np.array_equal(frame.samples(), tone(frame.frame_index))


@pytest.mark.parametrize(
    ("encoding", "sample_rate_hz", "asked"),
    [
        ("pcm16", 16_000, (dialogue_pb2.AUDIO_ENCODING_PCM_S16LE, 16_000)),
        ("mulaw", None, (dialogue_pb2.AUDIO_ENCODING_MULAW, 0)),
        ("alaw", 8_000, (dialogue_pb2.AUDIO_ENCODING_ALAW, 8_000)),
        ("ogg", None, (dialogue_pb2.AUDIO_ENCODING_OGG_OPUS, 0)),
    ],
)
async def test_the_format_that_is_named_is_asked_for_both_ways_and_its_bytes_go_as_they_are(
    serve: Serve, encoding: Encoding, sample_rate_hz: int | None, asked: tuple[int, int]
) -> None:
    fake = FakeDialogue(hang_at=0)
    async with connect(await serve(fake), encoding=encoding, sample_rate_hz=sample_rate_hz) as talk:
        await talk.send(b"\x00" * 7_680)
        await talk.send(b"any bytes")
        with pytest.raises(TypeError, match=f"a conversation in {encoding} takes bytes, not nd"):
            await talk.send(np.zeros(480, np.float32))
        await talk.end()
        await fake.half_closed.wait()
    [config] = fake.configs
    for audio_format in (config.input_format, config.output_format):
        assert (audio_format.encoding, audio_format.sample_rate_hz) == asked
    assert fake.packets[-1] == b"any bytes"


async def test_samples_of_another_rate_go_in_messages_of_120_ms(serve: Serve) -> None:
    fake = FakeDialogue()
    async with connect(await serve(fake), encoding="pcm", sample_rate_hz=8_000) as talk:
        await talk.send(np.zeros(2_000, np.float32))
        await talk.end()
        _ = [event async for event in talk]
    assert [len(packet) // 4 for packet in fake.packets] == [960, 960, 80]


def test_samples_are_not_made_of_what_is_none() -> None:
    assert Audio(0, bytes(4 * 640)).samples().shape == (640,)
    for audio in (Audio(0, bytes(7_680), "pcm16"), Audio(0, bytes(100), "opus"), Audio(0, b"no")):
        with pytest.raises(ValueError, match="are not a frame of 32-bit floats"):
            audio.samples()


async def test_packets_of_opus_go_and_come_as_they_are(serve: Serve) -> None:
    fake = FakeDialogue()
    encoder, decoder = OpusEncoder(), OpusDecoder()
    packets = [encoder.encode(tone(0)[:480]) for _ in range(8)]
    async with connect(await serve(fake)) as talk:
        for packet in packets:
            await talk.send(packet)
        await talk.end()
        frames = [event async for event in talk if isinstance(event, Audio)]
    assert fake.packets == packets
    assert [len(decoder.decode(frame.data)) for frame in frames] == [1920, 1920]
    with pytest.raises(ValueError, match=r"kaiwa\.opus\.OpusDecoder"):
        frames[0].samples()


async def test_every_kind_of_event_has_its_values(serve: Serve) -> None:
    def extra(step: int) -> list[Response]:
        events = [
            dialogue_pb2.Event(
                step=1, frames_dropped=dialogue_pb2.FramesDropped(frames=2, total_frames=5)
            ),
            dialogue_pb2.Event(step=2, context_rolled=dialogue_pb2.ContextRolled(context_steps=9)),
            dialogue_pb2.Event(step=3, going_away=dialogue_pb2.GoingAway(grace_ms=30_000)),
            dialogue_pb2.Event(
                step=3, frames_concealed=dialogue_pb2.FramesConcealed(frames=1, total_frames=4)
            ),
            dialogue_pb2.Event(
                step=3, voice_dropped=dialogue_pb2.VoiceDropped(frames=3, total_frames=6)
            ),
            dialogue_pb2.Event(step=3, flushed=dialogue_pb2.Flushed(frames=2)),
            dialogue_pb2.Event(
                step=3,
                sampling_changed=dialogue_pb2.SamplingChanged(
                    sampling=settings_pb2.Sampling(
                        text_temperature=0.5, text_top_k=2, audio_temperature=1.5, audio_top_k=3
                    )
                ),
            ),
            dialogue_pb2.Event(step=3, lag=dialogue_pb2.Lag(lag_ms=250.5)),
            dialogue_pb2.Event(step=3, speaking_started=dialogue_pb2.SpeakingStarted()),
            dialogue_pb2.Event(step=3, speaking_stopped=dialogue_pb2.SpeakingStopped()),
            dialogue_pb2.Event(
                step=3,
                audio_report=dialogue_pb2.AudioReport(
                    rate_hz=24_000, rms_dbfs=-20.5, silence_share=0.25, clipped_share=0.5
                ),
            ),
        ]
        return [Response(event=event) for event in events if event.step == step]

    async with connect(await serve(FakeDialogue(extra=extra)), encoding="pcm") as talk:
        events = await say(talk, 3)
    assert FramesDropped(step=1, frames=2, total_frames=5) in events
    assert ContextRolled(step=2, context_steps=9) in events
    assert GoingAway(step=3, grace_ms=30_000) in events
    assert FramesConcealed(step=3, frames=1, total_frames=4) in events
    assert VoiceDropped(step=3, frames=3, total_frames=6) in events
    assert Flushed(step=3, frames=2) in events
    assert SamplingChanged(3, 0.5, 2, 1.5, 3) in events
    assert Lag(step=3, lag_ms=250.5) in events
    assert SpeakingStarted(step=3) in events and SpeakingStopped(step=3) in events
    assert AudioReport(3, 24_000, -20.5, 0.25, 0.5) in events
    assert Text("Hello", True, 1, 80) in events
    assert events[-1] == Summary(3, 3, 0, 1, 12.3, 20.9, 4711)


async def test_a_kind_of_message_that_is_not_known_is_passed_over(serve: Serve) -> None:
    fake = FakeDialogue(extra=lambda step: [Response(), Response(event=dialogue_pb2.Event())])
    async with connect(await serve(fake), encoding="pcm") as talk:
        events = await say(talk, 1)
    assert [type(event) for event in events] == [Text, Audio, Summary]


async def test_settings_that_are_left_out_are_left_to_the_service(serve: Serve) -> None:
    fake = FakeDialogue()
    target = await serve(fake)
    async with connect(target, settings=Settings(seed=0, text_temperature=0.0)):
        pass
    settings = fake.configs[0].settings
    assert settings.HasField("seed") and settings.seed == 0
    assert settings.HasField("text_temperature") and settings.text_temperature == 0
    assert not settings.HasField("audio_temperature")
    assert not settings.HasField("text_top_k") and not settings.HasField("audio_top_k")
    assert fake.configs[0].input_format.encoding == dialogue_pb2.AUDIO_ENCODING_OPUS


async def test_controls_reach_the_service_as_they_are(serve: Serve) -> None:
    fake = FakeDialogue()
    async with connect(await serve(fake), pace="fast") as talk:
        await talk.mute(True)
        await talk.hold(False)
        await talk.flush()
        await talk.sample(text_temperature=0.0, audio_top_k=9)
        await talk.end()
        assert [event async for event in talk]
        with pytest.raises(RuntimeError, match="after end"):
            await talk.mute(False)
    kinds = [control.WhichOneof("request") for control in fake.controls]
    assert kinds == ["mute", "hold", "flush", "settings"]
    assert fake.controls[0].mute.muted and not fake.controls[1].hold.held
    settings = settings_pb2.SessionSettings(text_temperature=0, audio_top_k=9)
    assert fake.controls[3].settings == settings, "what is not named is left out"
    assert fake.configs[0].pace == dialogue_pb2.PACE_FAST


async def test_a_refusal_carries_status_reason_and_sentence(serve: Serve) -> None:
    full = refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "FULL", "every slot is taken: try later")
    target = await serve(FakeDialogue(before_ready=full))
    with pytest.raises(KaiwaError, match="every slot is taken: try later") as caught:
        async with connect(target):
            pytest.fail("the conversation opened")
    assert (caught.value.status, caught.value.reason) == ("RESOURCE_EXHAUSTED", "FULL")


async def test_an_address_where_nobody_listens_is_unreachable(unused_tcp_port: int) -> None:
    target = f"127.0.0.1:{unused_tcp_port}"
    with pytest.raises(
        KaiwaError, match=f"no connection to {target}: Connection refused"
    ) as caught:
        async with connect(target):
            pytest.fail("the conversation opened")
    assert caught.value.reason == "UNREACHABLE"


async def test_a_grpc_server_without_the_service_is_named(unused_tcp_port: int) -> None:
    server = grpc.aio.server()
    target = f"127.0.0.1:{unused_tcp_port}"
    server.add_insecure_port(target)
    await server.start()
    with pytest.raises(KaiwaError, match=f"{target} is not a Kaiwa gateway") as caught:
        async with connect(target):
            pytest.fail("the conversation opened")
    assert caught.value.reason == "UNIMPLEMENTED"
    await server.stop(0)


async def test_a_service_that_never_gets_ready_is_given_up(serve: Serve) -> None:
    async def never(context: grpc.aio.ServicerContext) -> None:
        await asyncio.Event().wait()

    fake = FakeDialogue(before_ready=never)
    with pytest.raises(KaiwaError, match=r"did not answer within 0\.2 s") as caught:
        async with connect(await serve(fake), answer_within_s=0.2):
            pytest.fail("the conversation opened")
    assert caught.value.reason == "NO_ANSWER"
    await fake.ended.wait()


async def test_a_failure_in_the_middle_reaches_both_sides(serve: Serve) -> None:
    async with connect(await serve(FakeDialogue(fail_at=1)), encoding="pcm") as talk:
        await talk.send(np.zeros(2 * FRAME_SAMPLES, np.float32))
        with pytest.raises(KaiwaError, match="gone") as heard:
            _ = [event async for event in talk]
        with pytest.raises(KaiwaError, match="gone") as sent:
            await talk.send(np.zeros(480, np.float32))
    assert heard.value.reason == sent.value.reason == "LM_DOWN"


async def test_a_sender_that_writes_on_and_on_still_learns_why_the_call_ended(
    serve: Serve,
) -> None:
    target = await serve(FakeDialogue(fail_at=1))

    async def write_on(talk: Talk) -> None:
        while True:
            await talk.send(np.zeros(480, np.float32))

    async def read_on(talk: Talk) -> None:
        async for _ in talk:
            pass

    for _ in range(50):
        async with connect(target, encoding="pcm") as talk:
            ends = await asyncio.gather(write_on(talk), read_on(talk), return_exceptions=True)
        for end in ends:
            assert isinstance(end, KaiwaError) and end.reason == "LM_DOWN"


async def test_an_end_without_summary_is_an_error(serve: Serve) -> None:
    fake = FakeDialogue(with_summary=False)
    async with connect(await serve(fake), encoding="pcm") as talk:
        with pytest.raises(KaiwaError, match="without a summary") as caught:
            await say(talk, 1)
    assert caught.value.reason == "NO_SUMMARY"


async def test_leaving_the_block_cancels_the_call(serve: Serve) -> None:
    fake = FakeDialogue()
    async with connect(await serve(fake), encoding="pcm") as talk:
        await talk.send(np.zeros(FRAME_SAMPLES, np.float32))
        await anext(talk)
    await fake.ended.wait()


@pytest.mark.parametrize("waits_for", ["ready", "event"])
async def test_a_cancelled_task_leaves_nothing_open(serve: Serve, waits_for: str) -> None:
    reached = asyncio.Event()

    async def never(context: grpc.aio.ServicerContext) -> None:
        reached.set()
        await asyncio.Event().wait()

    fake = FakeDialogue(before_ready=never if waits_for == "ready" else None)
    target = await serve(fake)

    async def listen() -> None:
        async with connect(target, encoding="pcm") as talk:
            reached.set()
            await anext(talk)

    task = asyncio.create_task(listen())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await fake.ended.wait()


async def test_cancelling_one_side_is_an_error_and_no_cancellation_for_the_other(
    serve: Serve,
) -> None:
    async with connect(await serve(FakeDialogue()), encoding="pcm") as talk:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(talk)
        with pytest.raises(KaiwaError) as caught:
            await talk.send(np.zeros(480, np.float32))
    assert caught.value.reason == "CANCELLED"


async def test_what_does_not_fit_the_conversation_is_refused_here(serve: Serve) -> None:
    target = await serve(FakeDialogue())
    async with connect(target) as talk:
        with pytest.raises(TypeError, match="in opus takes bytes"):
            await talk.send(np.zeros(480, np.float32))
    async with connect(target, encoding="pcm") as talk:
        with pytest.raises(TypeError, match="takes samples"):
            await talk.send(b"packet")
        with pytest.raises(TypeError, match=r"not int16 \[480\]"):
            await talk.send(np.zeros(480, np.int16))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"not float32 \[480, 2\]"):
            await talk.send(np.zeros((480, 2), np.float32))
        await talk.end()
        with pytest.raises(RuntimeError, match="after end"):
            await talk.send(np.zeros(480, np.float32))


async def test_info_tells_what_is_behind_the_gateway(serve: Serve) -> None:
    info = await service_info(await serve(FakeDialogue()))
    assert (info.sessions, info.max_sessions) == (2, 8)
    assert info.codec is not None and info.codec.name == "fake-mimi"
    assert info.lm is not None and info.lm.delays_steps[:3] == (0, 0, 1)


def test_the_client_loads_neither_numpy_nor_torch_nor_the_services() -> None:
    code = (
        "import sys, kaiwa.client, kaiwa.info, kaiwa.__main__; "
        "print({m.split('.')[0] for m in sys.modules} & "
        "{'numpy', 'torch', 'kaiwa_server', 'typer', 'opuslib_next', 'soundfile', 'matplotlib'})"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


def test_the_contract_loads_no_client() -> None:
    code = "import sys, kaiwa.v1.dialogue_pb2; print('kaiwa.client' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
