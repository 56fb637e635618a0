"""Many sessions at once with a fake service, and one of them in simulated time."""

import asyncio
from collections.abc import Awaitable, Callable

import grpc
import numpy as np
import pytest
from clients.python.fake_dialogue import FakeDialogue, Response, seats
from clients.python.simulated_time import SimulatedTime
from kaiwa.cli.bench.caller import Caller
from kaiwa.cli.bench.crowd import Crowd
from kaiwa.cli.bench.figures import overall_of
from kaiwa.cli.bench.load import Load
from kaiwa.cli.bench.speech import Speech, encode_speech
from kaiwa.opus import OpusDecoder
from kaiwa.v1 import dialogue_pb2

Serve = Callable[[FakeDialogue], Awaitable[str]]
SPEECH = encode_speech()
LONG_S = 3_600.0


def test_what_is_said_are_opus_packets_of_20_ms_with_speech_and_pauses_in_them() -> None:
    decoder = OpusDecoder()
    sounds = [decoder.decode(packet) for packet in SPEECH.packets]
    assert {len(sound) for sound in sounds} == {480}
    loud = [np.abs(sound).max() > 0.05 for sound in sounds]
    assert any(loud[:100]) and not any(loud[-200:])


def test_speech_goes_round_from_wherever_one_began() -> None:
    speech = Speech([b"a", b"b", b"c", b"d"], lookahead_s=0.0025)
    assert [speech.packet(number, start=0.5) for number in range(5)] == [
        *(b"c", b"d", b"a", b"b"),
        b"c",
    ]


def test_sessions_are_spread_over_a_frame() -> None:
    load = Load("host:1", sessions=4, seconds=1)
    assert [load.offset_s(number) for number in range(4)] == pytest.approx([0, 0.02, 0.04, 0.06])


async def test_every_session_talks_to_the_end_and_every_frame_is_measured(serve: Serve) -> None:
    fake = FakeDialogue()
    crowd = Crowd(Load(await serve(fake), sessions=3, seconds=0.8), SPEECH)
    await crowd.talk()
    assert [len(record.sent_late_ms) for record in crowd.records] == [40] * 3
    overall = overall_of(crowd.records)
    assert (overall.sessions_opened, overall.refused, overall.cut_off) == (3, {}, {})
    assert (overall.frames_measured, overall.frames_late) == (3 * 9, 3)
    assert overall.mouth_to_ear_p50_ms is not None and overall.mouth_to_ear_p50_ms >= 160


async def test_each_session_has_its_own_seed_and_its_own_connection(serve: Serve) -> None:
    fake = FakeDialogue()
    await Crowd(Load(await serve(fake), sessions=3, seconds=0.1), SPEECH).talk()
    assert sorted(config.settings.seed for config in fake.configs) == [0, 1, 2]
    assert len(set(fake.peers)) == 3


async def test_a_refused_session_leaves_the_others_alone(serve: Serve) -> None:
    fake = FakeDialogue(before_ready=seats(2))
    crowd = Crowd(Load(await serve(fake), sessions=3, seconds=0.4), SPEECH)
    await crowd.talk()
    overall = overall_of(crowd.records)
    assert (overall.refused, overall.cut_off) == ({"FULL": 1}, {})
    assert overall.frames_measured == 2 * 4


async def test_a_session_that_breaks_keeps_what_was_measured(serve: Serve) -> None:
    crowd = Crowd(Load(await serve(FakeDialogue(fail_at=5)), 1, LONG_S), SPEECH)
    await crowd.talk()
    overall = overall_of(crowd.records)
    assert (overall.cut_off, overall.frames_measured) == ({"LM_DOWN": 1}, 4)


async def test_a_session_that_the_service_ends_before_its_time_is_cut_off(serve: Serve) -> None:
    class Capped(FakeDialogue):
        async def _frames(self, requests, config):  # type: ignore[no-untyped-def]
            async for frame in super()._frames(requests, config):
                yield frame
                if frame == 3:
                    return

    crowd = Crowd(Load(await serve(Capped()), 1, LONG_S), SPEECH)
    await crowd.talk()
    assert overall_of(crowd.records).cut_off == {"ENDED": 1}


async def test_frames_that_the_service_left_out_are_counted(serve: Serve) -> None:
    def extra(step: int) -> list[Response]:
        dropped = dialogue_pb2.FramesDropped(frames=1, total_frames=1)
        event = dialogue_pb2.Event(step=step, frames_dropped=dropped)
        return [Response(event=event)] if step == 3 else []

    fake = FakeDialogue(extra=extra, fail_at=5)
    crowd = Crowd(Load(await serve(fake), 1, LONG_S), SPEECH)
    await crowd.talk()
    assert overall_of(crowd.records).frames_dropped == 1


async def test_to_stop_lets_the_sessions_finish_and_waits_for_no_answer(serve: Serve) -> None:
    second_asks = asyncio.Event()

    async def only_the_first(context: grpc.aio.ServicerContext) -> None:
        if fake.configs[-1].settings.seed == 1:
            second_asks.set()
            await asyncio.Event().wait()

    def stop(step: int) -> list[Response]:
        if second_asks.is_set():
            crowd.stop()
        return []

    fake = FakeDialogue(before_ready=only_the_first, extra=stop)
    crowd = Crowd(Load(await serve(fake), 2, LONG_S), SPEECH)
    await crowd.talk()
    first, second = crowd.records
    assert first.summary is not None and first.failure is None
    assert second.ready is None and second.failure is None


async def test_a_session_speaks_at_its_own_instant_of_each_frame_and_is_never_late(
    serve: Serve,
) -> None:
    time = SimulatedTime()
    load = Load(await serve(FakeDialogue()), sessions=2, seconds=0.4)
    caller = Caller(1, load, SPEECH, time.clock, time.sleep)
    await caller.call(started_s=999.99)
    assert caller.record.failure is None
    assert (caller.record.started_s - 999.99) % 0.08 == pytest.approx(load.offset_s(1))
    assert caller.record.sent_late_ms == pytest.approx([0.0] * 20, abs=1e-6)


async def test_what_the_clock_oversleeps_is_how_late_a_packet_was_sent(serve: Serve) -> None:
    time = SimulatedTime(oversleep_s=0.003)
    load = Load(await serve(FakeDialogue()), sessions=2, seconds=0.4)
    caller = Caller(1, load, SPEECH, time.clock, time.sleep)
    await caller.call(started_s=1_000.0)
    assert caller.record.sent_late_ms == pytest.approx([3.0] * 20)
