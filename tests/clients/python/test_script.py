"""What the user says, and its recording in simulated time."""

import itertools

import numpy as np
import pytest
from clients.python.simulated_time import SimulatedTime
from kaiwa.cli.microphone import Recorded
from kaiwa.cli.script import Question, Script, ScriptMicrophone, Turn, write_script


def script_of(packets: int) -> Script:
    return Script(np.arange(packets * 480, dtype=np.float32), ())


async def record(
    script: Script, time: SimulatedTime, stall_s: dict[int, float] | None = None
) -> list[tuple[Recorded, float]]:
    """Each packet with the time at which it came; `stall_s` is what its receiver then takes."""
    came = []
    microphone = ScriptMicrophone(script, time.clock, time.sleep)
    async for packet in microphone.packets():
        came.append((packet, time.now_s))
        time.now_s += (stall_s or {}).get(len(came) - 1, 0.0)
    return came


def test_silence_stands_before_between_and_after_the_questions() -> None:
    ones, twos = np.ones(480, np.float32), np.full(960, 2, np.float32)
    script = write_script([Turn("a", ones, 0.1), Turn("b", twos, 0.2)], tail_s=0.04)
    runs = [(value, len(list(run))) for value, run in itertools.groupby(script.samples.tolist())]
    assert runs == [(0, 2400), (1, 480), (0, 4800), (2, 960), (0, 960)]
    assert script.questions == (
        Question("a", 0.1, 0.12),
        Question("b", pytest.approx(0.32), pytest.approx(0.36)),
    )
    assert script.duration_s == pytest.approx(0.4)


def test_a_script_is_filled_up_to_whole_packets() -> None:
    script = write_script([Turn("a", np.ones(481, np.float32), 0)], tail_s=0)
    assert len(script.samples) == 960
    assert not script.samples[481:].any()


async def test_each_packet_leaves_when_its_last_sample_is_recorded() -> None:
    came = await record(script_of(50), SimulatedTime())
    for number, (packet, now_s) in enumerate(came):
        assert packet.at_s == pytest.approx(1_000 + number * 0.02)
        assert now_s == pytest.approx(1_000 + (number + 1) * 0.02)
    sound = np.concatenate([packet.samples for packet, _ in came])
    assert np.array_equal(sound, script_of(50).samples)


async def test_an_hour_of_sleeping_too_long_does_not_drift() -> None:
    came = await record(script_of(180_000), SimulatedTime(oversleep_s=0.0007))
    packet, now_s = came[-1]
    assert packet.at_s == pytest.approx(1_000 + 3_600 - 0.02)
    assert now_s == pytest.approx(1_000 + 3_600 + 0.0007)


async def test_after_a_stall_what_was_recorded_meanwhile_leaves_at_once() -> None:
    came = await record(script_of(10), SimulatedTime(), stall_s={2: 0.09})
    times = [now_s - 1_000 for _, now_s in came]
    assert times[3:7] == pytest.approx([0.15] * 4)
    assert times[7:] == pytest.approx([0.16, 0.18, 0.2])
    assert came[9][0].at_s - 1_000 == pytest.approx(0.18)


async def test_a_stopped_microphone_says_nothing_more() -> None:
    time = SimulatedTime()
    microphone = ScriptMicrophone(script_of(10), time.clock, time.sleep)
    came = 0
    async for _ in microphone.packets():
        came += 1
        if came == 3:
            microphone.stop()
    assert came == 3
