import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kaiwa_server.audio import PcmFrame
from kaiwa_server.errors import HoldTooLong
from kaiwa_server.gateway.outputs import (
    AudioReport,
    ContextRolled,
    FramesConcealed,
    FramesDropped,
    Lag,
    Output,
    SpeakingStarted,
)
from kaiwa_server.gateway.pace import Pace
from kaiwa_server.gateway.session import CodecStep, Session
from kaiwa_server.gateway.turnaround import Turnaround
from kaiwa_server.journal import StepRecord, TextPiece
from numpy.typing import NDArray


def new_session(
    context_steps: int = 3000, keep_first_frame: bool = True, pace: Pace = Pace.FAST
) -> Session:
    return Session(context_steps, keep_first_frame, seed=7, pace=pace, max_hold_s=45.0)


def live_session() -> Session:
    return new_session(pace=Pace.LIVE)


def ramp(samples: int, start: int = 0) -> NDArray[np.float32]:
    return np.arange(start, start + samples, dtype=np.float32)


def step(number: int, text: TextPiece | None = None) -> CodecStep:
    """Step s of a session that keeps its first frame: it completes frame s - 1."""
    record = StepRecord(number, 3, (1,) * 8, (2,) * 8 if number else ())
    frame = PcmFrame(number - 1, np.zeros(1920, np.float32)) if number else None
    return CodecStep(record, frame, text)


def outputs_of(session: Session, number: int, now_s: float = 0.0) -> list[Output]:
    outputs, _ = session.on_step(step(number), now_s)
    return outputs


def frames_of(session: Session, now_s: float = 0.0) -> list[PcmFrame]:
    frames = []
    while (frame := session.next_frame(now_s)) is not None:
        frames.append(frame)
    return frames


@settings(deadline=None)
@given(st.lists(st.integers(0, 700), max_size=8))
def test_pieces_of_any_length_make_the_frames_of_the_whole(lengths: list[int]) -> None:
    session, heard = new_session(), 0
    for length in lengths:
        session.hear(ramp(length, heard), 0.0)
        heard += length
    frames = frames_of(session)
    assert [frame.index for frame in frames] == list(range(heard // 1920))
    sound = np.concatenate([np.empty(0, np.float32), *(frame.samples for frame in frames)])
    assert np.array_equal(sound, ramp(heard // 1920 * 1920))


def test_no_more_than_three_frames_are_on_their_way_to_the_codec() -> None:
    session = new_session()
    session.hear(ramp(3 * 1920), 0.0)
    assert [frame.index for frame in frames_of(session)] == [0, 1, 2]
    session.hear(ramp(2 * 1920), 0.2)
    assert frames_of(session) == []
    session.on_step(step(0), 0.2)
    assert frames_of(session) == [], "step 0 answers no frame"
    session.on_step(step(1), 0.2)
    assert [frame.index for frame in frames_of(session)] == [3]


def test_what_is_left_out_of_a_live_session_is_counted_and_told_once() -> None:
    session = live_session()
    session.hear(ramp(3 * 1920), 0.0)
    assert len(frames_of(session)) == 3
    session.on_step(step(0), 0.0)
    session.hear(ramp(5 * 1920), 0.1)
    told = outputs_of(session, 1, 0.1)
    assert told[0] == FramesDropped(step=4, frames=2, total_frames=2)
    [kept] = frames_of(session, 0.1)
    assert kept.index == 3 and kept.samples[0] == 2 * 1920
    assert not any(isinstance(o, FramesDropped) for o in outputs_of(session, 2, 0.1)), "told once"
    session.hear(ramp(3 * 1920), 0.2)
    dropped = [o for o in outputs_of(session, 3, 0.2) if isinstance(o, FramesDropped)]
    assert dropped == [FramesDropped(step=5, frames=2, total_frames=4)]
    assert session.summary(0).frames_dropped == 4


def test_a_fast_session_says_that_it_has_enough_and_leaves_nothing_out() -> None:
    session = new_session()
    session.hear(ramp(3 * 1920), 0.0)
    assert session.full
    assert len(frames_of(session)) == 3 and not session.full
    session.hear(ramp(9 * 1920), 0.0)
    assert session.full and session.summary(0).frames_dropped == 0


def test_a_missing_frame_of_a_live_session_is_concealed_counted_and_told() -> None:
    session = live_session()
    session.hear(np.full(1920, 0.5, np.float32), 0.0)
    assert len(frames_of(session)) == 1
    assert session.next_frame_s == pytest.approx(0.16)
    assert frames_of(session, 0.159) == []
    [concealed] = frames_of(session, 0.16)
    assert concealed.index == 1
    assert concealed.samples[0] == 0.5 and not concealed.samples[120:].any()
    assert outputs_of(session, 0, 0.2) == [FramesConcealed(step=2, frames=1, total_frames=1)]
    assert session.summary(0).frames_concealed == 1


def test_a_muted_user_is_heard_as_silence_whether_sound_comes_or_not() -> None:
    session = live_session()
    session.mute(True, 0.0)
    session.hear(ramp(1920, 1), 0.0)
    [frame, missing] = [*frames_of(session), *frames_of(session, 0.16)]
    assert not frame.samples.any() and not missing.samples.any()
    assert session.may_be_silent and session.summary(0).frames_concealed == 0
    session.mute(False, 0.16)
    session.hear(ramp(1920, 1), 0.16)
    session.on_step(step(0), 0.2)
    session.on_step(step(1), 0.2)
    assert frames_of(session, 0.24)[0].samples[-1] == 1920
    assert not session.may_be_silent


def test_a_muted_user_of_a_live_session_need_not_send_anything() -> None:
    session = live_session()
    session.mute(True, 1.0)
    assert session.may_be_silent and session.next_frame_s == pytest.approx(1.16)
    assert [not frame.samples.any() for frame in frames_of(session, 1.17)] == [True]
    session.hold(True, 1.2)
    assert frames_of(session, 2.0) == []
    session.hold(False, 2.0)
    assert len(frames_of(session, 2.17)) == 1
    fast = new_session()
    fast.mute(True, 1.0)
    assert not fast.may_be_silent, "nothing goes on without its sound"


def test_the_clock_stands_while_a_session_is_held() -> None:
    session = live_session()
    session.hear(ramp(1920), 0.0)
    frames_of(session)
    session.hear(ramp(1000), 0.02)
    session.hold(True, 0.05)
    assert session.may_be_silent
    session.hear(ramp(9 * 1920), 1.0)
    assert frames_of(session, 40.0) == []
    session.hold(False, 40.0)
    assert frames_of(session, 40.0) == [] and session.next_frame_s == np.inf
    session.hear(ramp(1920, 7), 41.0)
    [frame] = frames_of(session, 41.0)
    assert frame.index == 1 and frame.samples[0] == 7
    assert session.summary(0).frames_dropped == session.summary(0).frames_concealed == 0


def test_a_session_is_not_held_for_longer_than_45_s() -> None:
    session = live_session()
    session.hold(True, 1.0)
    session.hold(True, 40.0)
    assert session.next_frame_s == 46.0
    with pytest.raises(HoldTooLong, match="held for 45 s: let it go on sooner"):
        session.next_frame(46.0)


def test_a_held_user_can_finish() -> None:
    session = live_session()
    session.hear(ramp(1000), 0.0)
    session.hold(True, 0.0)
    session.finish(1.0)
    assert session.all_sent and session.next_frame(100.0) is None


def test_lag_is_told_when_it_passes_240_ms_and_when_it_is_gone() -> None:
    session, told = live_session(), []
    session.on_step(step(0), 0.0)
    for number, lag_s in enumerate((0.1, 0.241, 0.3, 0.09, 0.079, 0.1), start=1):
        said_s = number * 0.08
        session.hear(ramp(1920), said_s)
        assert len(frames_of(session, said_s)) == 1
        told += [o for o in outputs_of(session, number, said_s + lag_s) if isinstance(o, Lag)]
    assert told == [Lag(2, pytest.approx(241)), Lag(5, pytest.approx(79))]


def test_the_first_second_is_reported_once() -> None:
    session, told = new_session(), []
    session.on_step(step(0), 0.0)
    for number in range(1, 40):
        session.hear(ramp(1920) / 1920, number * 0.08)
        frames_of(session)
        told += [o for o in outputs_of(session, number, number * 0.08) if type(o) is AudioReport]
    [report] = told
    assert (report.step, report.rate_hz) == (13, 24_000)


def test_silence_fills_the_last_frame_when_the_user_finishes() -> None:
    session = new_session()
    session.hear(ramp(2000), 0.0)
    assert len(frames_of(session)) == 1 and not session.all_sent
    session.finish(0.1)
    assert not session.all_sent
    [last] = frames_of(session)
    assert np.array_equal(last.samples[:80], ramp(80, 1920)) and not last.samples[80:].any()
    assert session.all_sent


def test_a_user_who_finishes_on_a_whole_frame_owes_nothing() -> None:
    session = new_session()
    session.hear(ramp(1920), 0.0)
    session.finish(0.1)
    assert len(frames_of(session)) == 1 and session.all_sent


def test_a_user_who_says_nothing_can_finish() -> None:
    session = new_session()
    session.finish(0.0)
    assert session.all_sent and session.next_frame(0.0) is None


def test_the_voice_and_the_words_of_a_step_are_outputs() -> None:
    session = new_session()
    session.hear(ramp(1920), 0.0)
    frames_of(session)
    assert outputs_of(session, 0) == []
    said = step(1, TextPiece(1, "Hello", True))
    assert session.on_step(said, 0.0)[0] == [said.text, said.moshi_frame]


def test_a_voice_that_begins_is_told_before_its_first_frame() -> None:
    session = new_session()
    session.hear(ramp(1920), 0.0)
    frames_of(session)
    session.on_step(step(0), 0.0)
    loud = PcmFrame(0, np.full(1920, 0.5, np.float32))
    outputs, _ = session.on_step(CodecStep(step(1).record, loud, None), 0.0)
    assert outputs == [SpeakingStarted(1), loud]


def test_turnaround_runs_from_the_complete_frame_to_the_frame_that_leaves_on_it() -> None:
    session = new_session()
    assert session.on_step(step(0), 9.0)[1] is None
    session.hear(ramp(2 * 1920), 10.0)
    frames_of(session)
    assert session.on_step(step(1), 10.03)[1] == pytest.approx(30)
    assert session.on_step(step(2), 10.09)[1] == pytest.approx(90)
    summary = session.summary(0)
    assert (summary.frames_in, summary.frames_out, summary.frames_late) == (2, 2, 1)
    assert summary.turnaround_p50_ms == pytest.approx(30, abs=0.5)
    assert summary.turnaround_p99_ms == pytest.approx(90, abs=0.5)
    assert summary.seed == 7


def test_the_wait_for_the_window_counts_as_turnaround() -> None:
    session = new_session()
    session.on_step(step(0), 0.0)
    session.hear(ramp(4 * 1920), 1.0)
    assert len(frames_of(session)) == 3
    for number in range(1, 4):
        session.on_step(step(number), 1.0 + number / 100)
        frames_of(session)
    assert session.on_step(step(4), 1.5)[1] == pytest.approx(500)


def test_a_session_that_drops_the_first_frame_hears_frame_t_in_step_t() -> None:
    session = new_session(keep_first_frame=False)
    session.hear(ramp(2 * 1920), 1.0)
    frames_of(session)
    assert session.on_step(step(0), 1.02) == ([], pytest.approx(20))
    assert session.on_step(step(1), 1.04)[1] == pytest.approx(40)
    assert session.summary(0).frames_out == 1


def test_the_context_rolls_once_and_before_the_step_that_forgets() -> None:
    session, rolled = new_session(context_steps=2), []
    session.on_step(step(0), 0.0)
    for number in range(1, 6):
        session.hear(ramp(1920), 0.0)
        frames_of(session)
        rolled += [o for o in outputs_of(session, number) if isinstance(o, ContextRolled)]
    assert rolled == [ContextRolled(step=2, context_steps=2)]


def test_the_journal_keeps_the_newest_records_of_the_context() -> None:
    session = new_session(context_steps=3)
    session.on_step(step(0), 0.0)
    for number in range(1, 8):
        session.hear(ramp(1920), 0.0)
        frames_of(session)
        session.on_step(step(number), 0.0)
    assert session.journal.steps == 8
    assert [record.step for record in session.journal] == [5, 6, 7]


def test_a_step_that_nobody_asked_for_is_an_error() -> None:
    session = new_session()
    session.on_step(step(0), 0.0)
    with pytest.raises(ValueError, match="not sent"):
        session.on_step(step(1), 0.0)


def test_a_step_out_of_order_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected the record of step 0"):
        new_session().on_step(step(1), 0.0)


def test_percentiles_are_those_of_the_times_to_half_a_millisecond() -> None:
    turnaround, times = Turnaround(), np.random.default_rng(0).gamma(2, 20, 5000)
    for time_ms in times:
        turnaround.add(time_ms)
    for percent in (1, 50, 99):
        exact = np.percentile(times, percent, method="inverted_cdf")
        assert turnaround.percentile(percent) == pytest.approx(exact, abs=0.5)


def test_percentiles_of_nothing_are_zero_and_of_ages_two_seconds() -> None:
    turnaround = Turnaround()
    assert turnaround.percentile(50) == 0
    turnaround.add(60_000)
    assert turnaround.percentile(50) == 2000
