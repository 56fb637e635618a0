"""Live dialogues on the real stack: many calls, several at once, each judged when it ends."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from kaiwa.errors import KaiwaError

from kaiwa_training.evaluation.call import CallerCoder, HeldCall, hold_call
from kaiwa_training.evaluation.clips import Clip
from kaiwa_training.evaluation.conditions import CLEAN, Condition
from kaiwa_training.evaluation.judging import Verdict, judge
from kaiwa_training.evaluation.ledger import Ledger
from kaiwa_training.evaluation.lines import Lines
from kaiwa_training.evaluation.pace import Metronome
from kaiwa_training.evaluation.recordings import Recordings
from kaiwa_training.evaluation.scenes import PlannedCall, Scene
from kaiwa_training.evaluation.stack import running_stack

SPARE_SLOTS = 2
"""A slot is free again a little after its call's end."""


@dataclass(frozen=True)
class Bench:
    """What every call of an evaluation is held with."""

    target: str
    metronome: Metronome
    lines: Lines
    ledger: Ledger
    recordings: Recordings
    on_verdicts: Callable[[Sequence[Verdict]], None]


def two_questions(
    clips: Sequence[Clip], condition: Condition, rng: np.random.Generator
) -> list[PlannedCall]:
    """Puts two questions into each call: of one voice if it has two, and never the same intent.

    The clip that is left over when their number is odd has a call of its own.
    """
    waiting = [clips[index] for index in rng.permutation(len(clips))]
    calls = []
    while waiting:
        first = waiting.pop(0)
        second = _partner(first, waiting)
        if second is not None:
            waiting.remove(second)
        pair = (first,) if second is None else (first, second)
        calls.append(PlannedCall(Scene.TWO_QUESTIONS, pair, condition))
    return calls


def _partner(first: Clip, waiting: Sequence[Clip]) -> Clip | None:
    others = [clip for clip in waiting if clip.intent != first.intent] or waiting
    same_voice = [clip for clip in others if clip.voice == first.voice]
    return next(iter([*same_voice, *others]), None)


async def judge_calls(
    model_dir: Path,
    calls: Sequence[PlannedCall],
    *,
    lines: Lines,
    ledger: Ledger,
    recordings: Recordings,
    sessions: int,
    log_path: Path,
    on_verdicts: Callable[[Sequence[Verdict]], None],
) -> None:
    """Holds the calls that are not judged yet, `sessions` at once, and writes their verdicts.

    Raises:
        EvaluationError: the services did not start.
        KaiwaError: a call failed twice.
    """
    # libopus is searched for once; it should not be while a call has a beat to keep.
    CallerCoder(CLEAN.bitrate_bps)
    open_calls = iter([call for call in calls if not ledger.has(call)])
    async with running_stack(model_dir, sessions + SPARE_SLOTS, log_path) as target:
        bench = Bench(target, Metronome(), lines, ledger, recordings, on_verdicts)
        workers = [asyncio.create_task(_work(bench, open_calls)) for _ in range(sessions)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


async def _work(bench: Bench, calls: Iterator[PlannedCall]) -> None:
    for planned in calls:
        held = await _hold(bench, planned)
        # The beat of the other calls must not wait for files and figures.
        verdicts = await asyncio.to_thread(judge, planned, held, bench.lines)
        await asyncio.to_thread(bench.recordings.keep, planned, held, verdicts)
        bench.ledger.add(verdicts)
        bench.on_verdicts(verdicts)


async def _hold(bench: Bench, planned: PlannedCall) -> HeldCall:
    # Once more, where it failed or not all of it was heard: a hiccup of the machine should neither
    # end a run of an hour nor count against the model.
    with suppress(KaiwaError):
        held = await _try(bench, planned)
        if held.summary.frames_dropped == 0:
            return held
    return await _try(bench, planned)


async def _try(bench: Bench, planned: PlannedCall) -> HeldCall:
    caller = await asyncio.to_thread(planned.caller)
    return await hold_call(
        bench.target,
        caller,
        bench.metronome,
        seed=planned.seed,
        bitrate_bps=planned.condition.bitrate_bps,
    )
