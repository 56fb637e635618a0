"""Mouth-to-ear and underruns from synthetic arrivals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaiwa.cli.measure import delays_of, mouth_to_ear, underruns
from kaiwa.cli.microphone import Recorded
from kaiwa.cli.recording import HeardFrame, Recording
from kaiwa.events import FramesConcealed, FramesDropped, Ready

FRAME_S = 0.08


def spoken(frames: int) -> list[float]:
    return [50.0 + frame * FRAME_S for frame in range(frames)]


def audible(frames: int, turnaround_s: float) -> dict[int, float]:
    """Moshi's frame m leaves once the user's frame m is complete."""
    return {m: 50.0 + (m + 1) * FRAME_S + turnaround_s for m in range(frames)}


def test_a_service_that_takes_no_time_is_at_the_floor_of_160_ms() -> None:
    delays = mouth_to_ear(spoken(10), audible(10, turnaround_s=0.0))
    assert [delay.mouth_to_ear_ms for delay in delays] == pytest.approx([160.0] * 9)
    assert [delay.spoken_s for delay in delays] == pytest.approx([t * 0.08 for t in range(9)])


@given(st.integers(2, 200), st.floats(0, 0.5))
def test_what_the_service_takes_comes_on_top_of_the_floor(frames: int, turnaround_s: float) -> None:
    delays = mouth_to_ear(spoken(frames), audible(frames, turnaround_s))
    expected = [160 + 1000 * turnaround_s] * (frames - 1)
    assert [delay.mouth_to_ear_ms for delay in delays] == pytest.approx(expected)


def test_moshi_s_first_frame_answers_to_nobody() -> None:
    assert mouth_to_ear(spoken(1), {0: 50.1}) == []


def test_a_frame_that_is_missing_leaves_the_others_paired() -> None:
    arrivals = audible(6, 0.01)
    del arrivals[3]
    delays = mouth_to_ear(spoken(6), arrivals)
    assert [delay.mouth_to_ear_ms for delay in delays] == pytest.approx([170.0] * 4)


def test_frames_after_a_drop_are_paired_with_what_was_heard() -> None:
    # Frames 2 and 3 of the user are left out before step 3: frame 4 is heard in their place.
    times = spoken(10)
    completes = [0, 1, 4, 5, 6, 7, 8, 9]
    arrivals = {m: times[user] + FRAME_S + 0.02 for m, user in enumerate(completes)}
    delays = mouth_to_ear(times, arrivals, [FramesDropped(step=3, frames=2, total_frames=2)])
    begun = [round((delay.spoken_s) / FRAME_S) for delay in delays]
    assert begun == [0, 1, 4, 5, 6, 7, 8]
    milliseconds = [delay.mouth_to_ear_ms for delay in delays]
    assert milliseconds == pytest.approx([180, 340, 180, 180, 180, 180, 180])


def test_frames_after_one_that_was_made_up_are_paired_with_what_was_heard() -> None:
    # Frame 2 comes so late that step 3 hears a concealed one; it is left out before step 4.
    times = spoken(8)
    arrivals = {m: times[m] + FRAME_S + 0.02 + 0.08 * (m == 2) for m in range(8)}
    drops, conceals = [FramesDropped(4, 1, 1)], [FramesConcealed(3, 1, 1)]
    delays = mouth_to_ear(times, arrivals, drops, conceals)
    begun = [round(delay.spoken_s / FRAME_S) for delay in delays]
    assert begun == [0, 1, 3, 4, 5, 6], "nothing answers to what was not heard"
    milliseconds = [delay.mouth_to_ear_ms for delay in delays]
    assert milliseconds == pytest.approx([180, 260, 180, 180, 180, 180])


def test_what_the_service_did_not_wait_for_is_not_counted() -> None:
    # Frame 3 was filled up with silence at the end: Moshi's frame 3 left at once.
    arrivals = audible(3, 0.01) | {3: 50.0 + 3 * FRAME_S + 0.01}
    delays = mouth_to_ear(spoken(3), arrivals)
    assert [delay.mouth_to_ear_ms for delay in delays] == pytest.approx([170.0] * 2)


def test_only_whole_frames_of_a_recording_are_measured() -> None:
    recording = Recording(Ready("s-1", 7, "fake-moshi", "ab" * 32, 3000), 0)
    silent = np.zeros(480, np.float32)
    recording.spoken = [Recorded(silent, 50 + packet * 0.02) for packet in range(11)]
    voice = np.zeros(1920, np.float32)
    recording.heard = [HeardFrame(m, voice, at_s) for m, at_s in audible(3, 0.01).items()]
    assert [delay.mouth_to_ear_ms for delay in delays_of(recording)] == pytest.approx([170.0])


def test_an_even_arrival_never_runs_dry() -> None:
    assert underruns([frame * FRAME_S for frame in range(100)]) == 0


def test_twenty_milliseconds_late_is_caught_by_the_speaker() -> None:
    times = [frame * FRAME_S + (0.0199 if frame == 50 else 0) for frame in range(100)]
    assert underruns(times) == 0


def test_more_than_that_is_one_underrun_and_not_one_for_each_later_frame() -> None:
    times = [frame * FRAME_S + (0.03 if frame >= 50 else 0) for frame in range(100)]
    assert underruns(times) == 1


def test_a_service_at_half_speed_runs_dry_at_every_frame() -> None:
    assert underruns([frame * 2 * FRAME_S for frame in range(11)]) == 10


def test_no_frames_are_no_underruns() -> None:
    assert underruns([]) == 0
