"""A whole evaluation of a checkpoint, stage by stage, in a folder of its own."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kaiwa_training.evaluation import answer_figures, sound_figures
from kaiwa_training.evaluation.clips import Clip
from kaiwa_training.evaluation.codec_round_trip import CodecRoundTrip
from kaiwa_training.evaluation.corpus_clips import CorpusClips
from kaiwa_training.evaluation.dialogues import judge_calls
from kaiwa_training.evaluation.errors import EvaluationError
from kaiwa_training.evaluation.files import Files
from kaiwa_training.evaluation.judging import Verdict
from kaiwa_training.evaluation.ledger import Ledger, fingerprint_of
from kaiwa_training.evaluation.pictures import Pair, draw_curves, draw_pair
from kaiwa_training.evaluation.plan import WHOLE_PLAN, Plan, Stage, plan_calls
from kaiwa_training.evaluation.readings import (
    load_readings,
    read_copies,
    read_replies,
    write_readings,
)
from kaiwa_training.evaluation.recogniser import Recogniser
from kaiwa_training.evaluation.recordings import Recordings
from kaiwa_training.evaluation.report import write_report
from kaiwa_training.evaluation.targets import Targets
from kaiwa_training.evaluation.timing import FrameTimes, frame_times

T = TypeVar("T")


def evaluate(
    model_dir: Path,
    corpus_dir: Path,
    out_dir: Path,
    plan: Plan = WHOLE_PLAN,
    *,
    logs: Sequence[Path] = (),
    console: Console | None = None,
) -> Path:
    """Does the plan's stages and gives the report's path. What is judged already is not repeated.

    Raises:
        EvaluationError: something that is needed is missing; the text says what to do.
        KaiwaError: a call failed twice.
    """
    console = console or Console()
    files = Files(out_dir)
    source = CorpusClips(corpus_dir)
    ledger = Ledger(files.verdicts, fingerprint_of(_judged_files(model_dir, corpus_dir)))
    if Stage.TIMING in plan.stages:
        files.times.write_text(json.dumps(asdict(frame_times(model_dir))) + "\n")
    hold_dialogues(model_dir, source, files, ledger, plan, console)
    if Stage.REPLIES in plan.stages:
        read_recorded_replies(source, files, plan, console)
    if Stage.CODEC in plan.stages:
        read_round_trips(model_dir, source, files, plan, console)
    if Stage.PICTURES in plan.stages:
        draw(model_dir, source, files, logs)
    report = report_on(model_dir, files, ledger.verdicts)
    console.print("report:", report, highlight=False, soft_wrap=True)
    return report


def hold_dialogues(
    model_dir: Path,
    source: CorpusClips,
    files: Files,
    ledger: Ledger,
    plan: Plan,
    console: Console,
) -> None:
    """Holds and judges the live calls of the plan that are not judged yet."""
    calls = plan_calls(source, plan)
    waiting = [call for call in calls if not ledger.has(call)]
    if not waiting:
        return
    questions = sum(max(1, len(call.clips)) for call in waiting)
    judged: list[Verdict] = []
    with _progress(console) as progress:
        task = progress.add_task("live dialogues", total=questions)

        def show(verdicts: Sequence[Verdict]) -> None:
            judged.extend(verdicts)
            right = sum(verdict.right for verdict in judged) / len(judged)
            description = f"live dialogues, {right:.0%} right"
            progress.update(task, advance=len(verdicts), description=description)

        asyncio.run(
            judge_calls(
                model_dir,
                waiting,
                lines=source.lines,
                ledger=ledger,
                recordings=Recordings(files.replies, plan.takes),
                sessions=plan.sessions,
                log_path=files.stack_log,
                on_verdicts=show,
            )
        )


def read_recorded_replies(source: CorpusClips, files: Files, plan: Plan, console: Console) -> None:
    """Lets the recogniser read the replies of the dialogues, and the original voice's."""
    recordings = Recordings(files.replies, plan.takes)
    lines = source.lines
    takes = {lines.reply(intent): recordings.takes_of(intent) for intent in lines.intents}
    count = sum(map(len, takes.values()))
    readings = read_replies(takes, source.original_replies(), Recogniser())
    write_readings(files.reply_readings, _shown(readings, "reading replies", count, console))


def read_round_trips(
    model_dir: Path, source: CorpusClips, files: Files, plan: Plan, console: Console
) -> None:
    """Lets the recogniser read held-out sentences before and after the codec."""
    clips = source.sentences(plan.sentences, plan.seed)
    readings = read_copies(clips, CodecRoundTrip(model_dir), Recogniser())
    write_readings(files.codec_readings, _shown(readings, "reading codec", len(clips), console))


def draw(model_dir: Path, source: CorpusClips, files: Files, logs: Sequence[Path]) -> None:
    """Draws a sentence of each voice group before and after the codec, and the training curves."""
    codec, reader = CodecRoundTrip(model_dir), Recogniser()
    for clip in _one_of_each(source.sentences(1, seed=1)):
        copy = codec.copy(clip.samples)
        title = f"{clip.voice}: {clip.text}"
        pair = Pair(title, clip.samples, copy, reader.read(clip.samples), reader.read(copy))
        draw_pair(files.pictures / f"codec-{clip.engine}.png", pair)
    if logs:
        draw_curves(files.pictures / "training.png", logs)


def report_on(model_dir: Path, files: Files, verdicts: Sequence[Verdict]) -> Path:
    """Writes the report of all that there is."""
    targets = Targets()
    times = FrameTimes(**json.loads(files.times.read_text())) if files.times.exists() else None
    size = sum(path.stat().st_size for path in model_dir.iterdir())
    replies, codec = load_readings(files.reply_readings), load_readings(files.codec_readings)
    sections = {
        "Right answers": answer_figures.kind_figures(verdicts, targets),
        "Conduct": answer_figures.scene_figures(verdicts, targets),
        "Conditions": answer_figures.condition_figures(verdicts, targets),
        "Voice": [
            *sound_figures.reply_figures(replies, targets),
            *sound_figures.codec_figures(codec, targets),
        ],
        "Size and speed": sound_figures.machine_figures(times, size, targets),
        "Pace of the calls": sound_figures.pace_figures(verdicts),
    }
    return write_report(files.folder, f"Evaluation of {model_dir.name}", sections)


def _judged_files(model_dir: Path, corpus_dir: Path) -> list[Path]:
    """What a verdict depends on.

    Raises:
        EvaluationError: there is no checkpoint.
    """
    weights = list(model_dir.glob("*.safetensors"))
    if not weights:
        text = f"{model_dir}: expected a checkpoint in Kyutai's layout, found none"
        raise EvaluationError(text)
    return [*weights, corpus_dir / "clips.npy", corpus_dir / "texts.json"]


def _one_of_each(clips: Iterable[Clip]) -> Iterable[Clip]:
    return {clip.engine: clip for clip in clips}.values()


def _shown(items: Iterable[T], title: str, total: int, console: Console) -> Iterator[T]:
    with _progress(console) as progress:
        yield from progress.track(items, total=total, description=title)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console)
