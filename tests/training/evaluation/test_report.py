"""The report sets every figure beside its target."""

import json
from pathlib import Path

from kaiwa_training.evaluation.answer_figures import (
    condition_figures,
    kind_figures,
    scene_figures,
)
from kaiwa_training.evaluation.readings import Reading
from kaiwa_training.evaluation.report import write_report
from kaiwa_training.evaluation.sound_figures import (
    codec_figures,
    machine_figures,
    pace_figures,
    reply_figures,
)
from kaiwa_training.evaluation.targets import Targets
from kaiwa_training.evaluation.timing import FrameTimes

from .verdicts import verdict

TARGETS = Targets(questions=20)


def test_every_engine_counts_equally() -> None:
    verdicts = [verdict(clip=f"e{n}", engine="espeak") for n in range(30)]
    verdicts += [verdict(clip=f"f{n}", engine="flite", right=n < 5) for n in range(10)]
    whole, espeak, flite, soon = kind_figures(verdicts, TARGETS)
    assert (whole.value, espeak.value, flite.value) == (0.75, 1.0, 0.5)
    assert whole.cases == 40 and whole.met is False and espeak.met is None
    assert soon.shown == "0.40 s"


def test_too_few_questions_do_not_meet_a_target() -> None:
    few = [verdict(clip=str(n)) for n in range(19)]
    assert kind_figures(few, TARGETS)[0].met is False
    assert kind_figures([*few, verdict(clip="19")], TARGETS)[0].met is True


def test_a_question_that_was_asked_twice_counts_once() -> None:
    twice = [verdict(clip="a", call="1", right=False), verdict(clip="a", call="2", right=True)]
    assert [(figure.cases, figure.value) for figure in kind_figures(twice, TARGETS)[:2]] == [
        (1, 1.0),
        (1, 1.0),
    ]


def test_a_condition_is_set_against_the_same_questions() -> None:
    clean = [verdict(clip=str(n), right=n != 3) for n in range(40)]
    noisy = [verdict(clip=str(n), condition="noise", right=n not in (1, 3)) for n in range(20)]
    share, difference = condition_figures(clean + noisy, TARGETS)
    assert share.value == 0.9
    assert difference.shown == "-5.0 points" and difference.met is True


def test_of_an_interruption_the_second_question_counts() -> None:
    verdicts = [
        verdict(scene="interruption", turn=0, right=True),
        verdict(scene="interruption", turn=1, right=False),
    ]
    greeting, interruption = scene_figures(verdicts, TARGETS)
    assert (greeting.cases, greeting.met) == (1, True)
    assert (interruption.value, interruption.met) == (0.0, False)


def test_clarity_is_measured_against_the_original() -> None:
    readings = [Reading("Moshi", "a b c d e f g h", "a b c d e f g x", "a b c d e f x y")]
    rate, ratio = reply_figures(readings, TARGETS)
    assert (rate.value, rate.met) == (0.25, False)
    assert (ratio.value, ratio.met) == (2.0, False)
    assert codec_figures(readings, TARGETS)[0].met is True


def test_an_original_without_errors_has_no_ratio() -> None:
    readings = [Reading("Moshi", "a b", "a b", "a b")]
    assert codec_figures(readings, TARGETS)[0].value is None
    assert codec_figures(readings, TARGETS)[0].met is True


def test_dropped_frames_show() -> None:
    verdicts = [verdict(call="a", frames_dropped=2), verdict(call="b")]
    assert pace_figures(verdicts)[0].value == 1


def test_the_report_is_a_table_and_json(tmp_path: Path) -> None:
    times = FrameTimes(4.0, 10.0, 4.0, 18.0, 25.0, 300, 0.1)
    sections = {"Machine": machine_figures(times, 19_000_000, TARGETS), "Empty": []}
    text = write_report(tmp_path, "A model", sections).read_text()
    assert "| a frame on one core, median | 18.0 ms |" in text
    assert "| < 40 ms | yes |" in text
    assert "| checkpoint, all files | 19.0 MB |" in text
    assert "Empty" not in text
    assert json.loads((tmp_path / "report.json").read_text())["Machine"][0]["value"] == 18.0
