"""What an evaluation does, and how much of it."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from kaiwa_training.evaluation import duplex
from kaiwa_training.evaluation.clips import Clip, choose_evenly
from kaiwa_training.evaluation.conditions import CLEAN, CONDITIONS
from kaiwa_training.evaluation.corpus_clips import HELD_OUT_KINDS, CorpusClips
from kaiwa_training.evaluation.dialogues import two_questions
from kaiwa_training.evaluation.scenes import PlannedCall


class Stage(StrEnum):
    """A part of an evaluation that can be done by itself; `report` is made of what is there."""

    DIALOGUES = "dialogues"
    CONDITIONS = "conditions"
    DUPLEX = "duplex"
    REPLIES = "replies"
    CODEC = "codec"
    TIMING = "timing"
    PICTURES = "pictures"
    REPORT = "report"


@dataclass(frozen=True)
class Plan:
    """How much is judged."""

    stages: frozenset[Stage] = frozenset(Stage)
    questions_per_set: int = 300
    """Questions of each kind of held-out ones, as many from each engine."""
    questions_per_condition: int = 300
    """Of those, how many are asked again under each condition."""
    scene_calls: int = 30
    """Calls of each special scene."""
    takes: int = 3
    """Recordings of each reply that are read."""
    sentences: int = 40
    """Held-out sentences of each engine, and of Moshi's voice, that go through the codec."""
    sessions: int = 6
    """Calls at once."""
    seed: int = 1


WHOLE_PLAN = Plan()


def plan_calls(source: CorpusClips, plan: Plan) -> list[PlannedCall]:
    """All live calls of the stages that are asked for. The same arguments give the same calls."""
    rng = np.random.default_rng(plan.seed)
    sets = [source.choose(kind, plan.questions_per_set, rng) for kind in HELD_OUT_KINDS]
    questions = [clip for chosen in sets for clip in chosen]
    again = _evenly(questions, plan.questions_per_condition, rng)
    # All of it is drawn, so that a stage's calls do not depend on the other stages.
    calls = {
        Stage.DIALOGUES: [call for clips in sets for call in two_questions(clips, CLEAN, rng)],
        Stage.CONDITIONS: [
            call
            for condition in CONDITIONS
            if condition != CLEAN
            for call in two_questions(again, condition, rng)
        ],
        Stage.DUPLEX: _duplex_calls(source, questions, plan.scene_calls, rng),
    }
    return [call for stage, planned in calls.items() if stage in plan.stages for call in planned]


def _duplex_calls(
    source: CorpusClips, questions: list[Clip], count: int, rng: np.random.Generator
) -> list[PlannedCall]:
    return [
        *duplex.silence(count),
        *duplex.noise(count, rng),
        *duplex.interruptions(questions, count, rng),
        *duplex.five_questions(questions, count, rng),
        *duplex.not_understood(source.strange(2 * count, rng)),
    ]


def _evenly(clips: list[Clip], count: int, rng: np.random.Generator) -> list[Clip]:
    groups = [(f"{clip.kind} {clip.engine}", clip.intent) for clip in clips]
    return [clips[index] for index in choose_evenly(groups, count, rng)]
