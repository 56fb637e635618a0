"""What `kaiwa bench` makes of metrics and of what its sessions noted."""

import math

import pytest
from kaiwa.cli.bench.endpoint import Endpoint, read_endpoint
from kaiwa.cli.bench.figures import generator_of, overall_of
from kaiwa.cli.bench.record import Record
from kaiwa.cli.bench.samples import own_sample, read_sample
from kaiwa.cli.bench.steps import Steps
from kaiwa.cli.bench.usage import Usage, services_of, usage_of
from kaiwa.errors import KaiwaError
from kaiwa.events import FramesDropped, Ready, Summary

READY = Ready("s-1", 7, "fake-moshi", "ab" * 32, 3000)
NOTHING_KNOWN = Usage(None, None, None)


def metrics(cpu_s: float, steps: tuple[int, int, int] = (0, 0, 0), born_s: float = 5.0) -> str:
    """What an LM service tells: steps of at most 10 ms, 20 ms and any time."""
    bounds = zip(("0.01", "0.02", "+Inf"), steps, strict=True)
    return "\n".join(
        [
            f"process_cpu_seconds_total {cpu_s}",
            "process_resident_memory_bytes 2e+08",
            f"process_start_time_seconds {born_s}",
            "# TYPE kaiwa_step_seconds histogram",
            *(f'kaiwa_step_seconds_bucket{{loop="lm",le="{le}"}} {n}' for le, n in bounds),
            f'kaiwa_step_seconds_count{{loop="lm"}} {steps[-1]}',
            "",
        ]
    )


def record(frames: int, turnaround_s: float = 0.02, frames_late: int = 0) -> Record:
    """A session of so many frames, each answered so long after it was complete."""
    return Record(
        ready=READY,
        started_s=50.0,
        sent_late_ms=[0.5] * frames * 4,
        audible_at_s={m: 50.0 + (m + 1) * 0.08 + turnaround_s for m in range(frames)},
        summary=Summary(frames, frames, 0, frames_late, 12.0, 20.0, 7),
    )


def failed(reason: str, ready: Ready | None = None) -> Record:
    return Record(ready=ready, failure=KaiwaError("UNAVAILABLE", reason, "the sentence"))


def test_a_quantile_lies_evenly_within_its_bucket() -> None:
    steps = Steps({0.01: 50, 0.02: 100, math.inf: 100})
    assert steps.quantile_ms(0.5) == pytest.approx(10)
    assert steps.quantile_ms(0.99) == pytest.approx(19.8)
    assert steps.quantile_ms(0.25) == pytest.approx(5)


def test_a_quantile_is_no_more_than_the_largest_finite_bound() -> None:
    assert Steps({0.01: 1, 0.02: 1, math.inf: 10}).quantile_ms(0.99) == pytest.approx(20)


def test_no_steps_have_no_quantile() -> None:
    assert Steps({}).quantile_ms(0.5) is None
    assert Steps({0.01: 0, math.inf: 0}).quantile_ms(0.5) is None


def test_only_what_came_during_the_load_counts() -> None:
    before, after = Steps({0.01: 90, math.inf: 90}), Steps({0.01: 90, math.inf: 100})
    assert after.since(before) == Steps({0.01: 0, math.inf: 10})


def test_a_service_is_known_by_its_metrics() -> None:
    encoder = 'kaiwa_step_seconds_bucket{loop="encoder",le="+Inf"} 0\n'
    told = (metrics(1.0), encoder, "kaiwa_max_sessions 8\n", "other_metric 1\n")
    known = [read_sample(text, at_s=0.0).service for text in told]
    assert known == ["lm", "codec", "gateway", None]


def test_what_a_service_took_is_what_came_between_two_samples() -> None:
    before, after = read_sample(metrics(1.0), 100.0), read_sample(metrics(4.0, (0, 8, 8)), 110.0)
    (lm,) = services_of([Endpoint("host:1")], [before], [after])
    assert (lm.name, lm.address, lm.cpu_percent) == ("lm", "host:1", pytest.approx(30.0))
    assert (lm.resident_begin_bytes, lm.resident_end_bytes) == (2e8, 2e8)
    (loop,) = lm.loops
    assert (loop.name, loop.steps, loop.step_p50_ms) == ("lm", 8, pytest.approx(15.0))


def test_a_service_that_is_gone_or_began_anew_took_nobody_knows_what() -> None:
    before = read_sample(metrics(100.0), 100.0)
    anew = read_sample(metrics(4.0, born_s=6.0), 110.0)
    for after in (None, anew):
        (lm,) = services_of([Endpoint("host:1")], [before], [after])
        assert (lm.cpu_percent, lm.resident_end_bytes, lm.loops) == (None, None, ())


def test_a_given_name_wins_and_replicas_have_their_address_in_theirs() -> None:
    endpoints = [Endpoint("a:1"), Endpoint("b:1"), Endpoint("c:1", name="spare"), Endpoint("d:1")]
    samples = [read_sample(metrics(1.0), 0.0)] * 3 + [read_sample("", 0.0)]
    gone = [None] * len(samples)
    names = [service.name for service in services_of(endpoints, samples, gone)]
    assert names == ["lm a:1", "lm b:1", "spare", "d:1"]


def test_this_process_is_measured_as_the_services_are() -> None:
    usage = usage_of(own_sample(), own_sample())
    assert usage.cpu_percent is not None and usage.cpu_percent >= 0
    assert usage.resident_end_bytes is not None and usage.resident_end_bytes > 1e6


def test_an_endpoint_is_an_address_with_or_without_a_name() -> None:
    assert read_endpoint("localhost:9090") == Endpoint("localhost:9090")
    assert read_endpoint("lm=[::1]:9092") == Endpoint("[::1]:9092", "lm")


@pytest.mark.parametrize("text", ["", "localhost", "lm=", "=host:1", "host:port", "http://host"])
def test_what_is_no_endpoint_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not NAME=HOST:PORT"):
        read_endpoint(text)


def test_frames_of_all_sessions_count_together() -> None:
    overall = overall_of([record(10, 0.02), record(10, 0.03, frames_late=2)])
    assert overall.mouth_to_ear_p50_ms == pytest.approx(185)
    assert overall.mouth_to_ear_max_ms == pytest.approx(190)
    assert (overall.frames_measured, overall.frames_late, overall.sessions_opened) == (18, 2, 2)
    assert (overall.refused, overall.cut_off) == ({}, {})


def test_a_frame_more_than_80_ms_above_the_floor_is_a_miss() -> None:
    assert overall_of([record(10, 0.079), record(10, 0.081)]).deadline_misses == 9


def test_refused_and_cut_off_are_counted_by_reason() -> None:
    records = [failed("FULL"), failed("FULL"), failed("LM_DOWN", READY), record(3)]
    overall = overall_of(records)
    assert (overall.refused, overall.cut_off) == ({"FULL": 2}, {"LM_DOWN": 1})
    assert overall.sessions_opened == 2


def test_frames_left_out_are_counted_also_where_no_summary_came() -> None:
    cut = failed("LM_DOWN", READY)
    cut.drops = [FramesDropped(3, 1, 1), FramesDropped(9, 2, 3)]
    assert overall_of([cut]).frames_dropped == 3


def test_no_frames_have_no_delay() -> None:
    overall = overall_of([failed("FULL")])
    assert overall.mouth_to_ear_p99_ms is None and overall.frames_measured == 0


@pytest.mark.parametrize(("late_ms", "is_late"), [(9.0, False), (11.0, True)])
def test_a_generator_over_10_ms_behind_is_late(late_ms: float, is_late: bool) -> None:
    behind = Record(ready=READY, sent_late_ms=[late_ms] * 100)
    generator = generator_of([behind], NOTHING_KNOWN)
    assert (generator.sent_late_p99_ms, generator.is_late) == (late_ms, is_late)


def test_a_generator_that_sent_nothing_was_not_late() -> None:
    generator = generator_of([failed("FULL")], NOTHING_KNOWN)
    assert (generator.sent_late_p99_ms, generator.is_late) == (None, False)
