"""Packets leave at the beat, and a late one does not delay those after it."""

import asyncio

from kaiwa_training.evaluation.caller import Caller
from kaiwa_training.evaluation.pace import Metronome, PacedMicrophone


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        await asyncio.sleep(0)


async def test_a_packet_is_there_once_its_last_sample_is() -> None:
    clock = Clock()
    microphone = PacedMicrophone(Caller([], lead_s=0.1), Metronome(clock, clock.sleep))
    times_s = [(packet.at_s, clock.now_s) async for packet in microphone.packets()]
    assert [round(now_s - at_s, 6) for at_s, now_s in times_s] == [0.02] * 5
    assert round(times_s[-1][1], 6) == 100.1
    assert microphone.latest_s < 1e-6


async def test_what_is_late_is_noticed_and_made_up_for() -> None:
    clock = Clock()
    microphone = PacedMicrophone(Caller([], lead_s=0.2), Metronome(clock, clock.sleep))
    async for packet in microphone.packets():
        if round(packet.at_s, 6) == 100.0:
            clock.now_s += 0.05
    assert round(clock.now_s, 6) == 100.2
    assert 0.029 < microphone.latest_s < 0.051


async def test_calls_begin_on_a_frame_of_all() -> None:
    clock = Clock()
    metronome = Metronome(clock, clock.sleep)
    clock.now_s += 0.09
    assert metronome.next_frame() == 8


async def test_a_stopped_microphone_gives_nothing_more() -> None:
    clock = Clock()
    microphone = PacedMicrophone(Caller([], lead_s=1.0), Metronome(clock, clock.sleep))
    count = 0
    async for _ in microphone.packets():
        count += 1
        if count == 3:
            microphone.stop()
    assert count == 3
