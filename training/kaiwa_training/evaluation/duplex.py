"""What a talk is besides questions in turn: silence, noise, haste, patience, nonsense."""

from collections.abc import Sequence

import numpy as np

from kaiwa_training.evaluation.caller import while_it_speaks
from kaiwa_training.evaluation.clips import Clip
from kaiwa_training.evaluation.lines import OTHER
from kaiwa_training.evaluation.scenes import PlannedCall, Scene
from kaiwa_training.speech.clip import SPEECH_RMS

QUIET_S = 20.0
QUESTIONS_IN_A_ROW = 5
NOISES = ((0.0,), (1.0,), (0.0, 1.0))
NOISE_BELOW_SPEECH_DB = (14.0, 34.0)


def silence(count: int) -> list[PlannedCall]:
    """Calls of 20 s in which nobody says anything: nothing but the greeting should be heard."""
    return [PlannedCall(Scene.SILENCE, (), lead_s=QUIET_S, number=n) for n in range(count)]


def noise(count: int, rng: np.random.Generator) -> list[PlannedCall]:
    """The same over plain noise, white and pink, 14 to 34 dB below a voice."""
    calls = []
    for number in range(count):
        rms = SPEECH_RMS * 10 ** (-rng.uniform(*NOISE_BELOW_SPEECH_DB) / 20)
        bed = (NOISES[number % len(NOISES)], rms)
        calls.append(PlannedCall(Scene.NOISE, (), lead_s=QUIET_S, number=number, bed=bed))
    return calls


def interruptions(clips: Sequence[Clip], count: int, rng: np.random.Generator) -> list[PlannedCall]:
    """Calls whose second question begins 0.8 s after the first word of the first reply."""
    calls = []
    for pair in _groups(clips, 2, count, rng):
        calls.append(PlannedCall(Scene.INTERRUPTION, pair, go_on=while_it_speaks))
    return calls


def five_questions(
    clips: Sequence[Clip], count: int, rng: np.random.Generator
) -> list[PlannedCall]:
    """Calls of five questions one after the other, longer than the model's context."""
    groups = _groups(clips, QUESTIONS_IN_A_ROW, count, rng)
    return [PlannedCall(Scene.FIVE_QUESTIONS, group) for group in groups]


def not_understood(clips: Sequence[Clip]) -> list[PlannedCall]:
    """Calls with two sentences each that no reply belongs to."""
    pairs = [tuple(clips[start : start + 2]) for start in range(0, len(clips), 2)]
    return [PlannedCall(Scene.NOT_UNDERSTOOD, pair) for pair in pairs]


def _groups(
    clips: Sequence[Clip], size: int, count: int, rng: np.random.Generator
) -> list[tuple[Clip, ...]]:
    """`count` groups of clips with a reply of their own, no intent twice in a group."""
    asked = [clip for clip in clips if clip.intent != OTHER]
    enough = len({clip.intent for clip in asked}) >= size
    groups: list[tuple[Clip, ...]] = []
    while enough and len(groups) < count:
        group: dict[str, Clip] = {}
        for index in rng.permutation(len(asked)):
            group.setdefault(asked[index].intent, asked[index])
            if len(group) == size:
                break
        groups.append(tuple(group.values()))
    return groups
