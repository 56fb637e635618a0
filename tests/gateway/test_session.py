import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaiwa_server.audio import PcmFrame
from kaiwa_server.gateway.outputs import ContextRolled, FramesDropped, Output
from kaiwa_server.gateway.session import CodecStep, Session
from kaiwa_server.gateway.turnaround import Turnaround
from kaiwa_server.journal import StepRecord, TextPiece
from numpy.typing import NDArray


def new_session(context_steps: int = 3000, keep_first_frame: bool = True) -> Session:
    return Session(context_steps, keep_first_frame, seed=7)


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


def frames_of(session: Session) -> list[PcmFrame]:
    frames = []
    while (frame := session.next_frame()) is not None:
        frames.append(frame)
    return frames


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


def test_above_240_ms_the_oldest_frames_go_and_are_counted_and_told() -> None:
    session = new_session()
    session.hear(ramp(3 * 1920), 0.0)
    frames_of(session)
    session.on_step(step(0), 0.0)
    session.hear(ramp(5 * 1920), 0.1)
    told = outputs_of(session, 1)
    assert told[0] == FramesDropped(step=4, frames=2, total_frames=2)
    kept = session.next_frame()
    assert kept is not None and kept.index == 3 and kept.samples[0] == 2 * 1920
    assert not any(isinstance(o, FramesDropped) for o in outputs_of(session, 2)), "told once"
    session.hear(ramp(3 * 1920), 0.2)
    assert outputs_of(session, 3)[0] == FramesDropped(step=5, frames=2, total_frames=4)
    assert session.summary().frames_dropped == 4


def test_frames_are_numbered_without_gaps_when_some_are_left_out() -> None:
    session = new_session()
    session.hear(ramp(9 * 1920), 0.0)
    frames = frames_of(session)
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert frames[0].samples[0] == 6 * 1920


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
    assert session.all_sent and session.next_frame() is None


def test_the_voice_and_the_words_of_a_step_are_outputs() -> None:
    session = new_session()
    session.hear(ramp(1920), 0.0)
    frames_of(session)
    assert outputs_of(session, 0) == []
    said = step(1, TextPiece(1, "Hello", True))
    assert session.on_step(said, 0.0)[0] == [said.text, said.moshi_frame]


def test_turnaround_runs_from_the_complete_frame_to_the_frame_that_leaves_on_it() -> None:
    session = new_session()
    assert session.on_step(step(0), 9.0)[1] is None
    session.hear(ramp(2 * 1920), 10.0)
    frames_of(session)
    assert session.on_step(step(1), 10.03)[1] == pytest.approx(30)
    assert session.on_step(step(2), 10.09)[1] == pytest.approx(90)
    summary = session.summary()
    assert (summary.frames_in, summary.frames_out, summary.frames_late) == (2, 2, 1)
    assert summary.turnaround_p50_ms == pytest.approx(30, abs=0.5)
    assert summary.turnaround_p99_ms == pytest.approx(90, abs=0.5)
    assert summary.seed == 7


def test_the_wait_for_the_window_counts_as_turnaround() -> None:
    session = new_session()
    session.on_step(step(0), 0.0)
    session.hear(ramp(4 * 1920), 1.0)
    for number in range(1, 4):
        frames_of(session)
        session.on_step(step(number), 1.0 + number / 100)
    frames_of(session)
    assert session.frames_dropped == 1
    session.hear(ramp(1920), 2.0)
    frames_of(session)
    assert session.on_step(step(4), 2.5)[1] == pytest.approx(500)


def test_a_session_that_drops_the_first_frame_hears_frame_t_in_step_t() -> None:
    session = new_session(keep_first_frame=False)
    session.hear(ramp(2 * 1920), 1.0)
    frames_of(session)
    assert session.on_step(step(0), 1.02) == ([], pytest.approx(20))
    assert session.on_step(step(1), 1.04)[1] == pytest.approx(40)
    assert session.summary().frames_out == 1


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
