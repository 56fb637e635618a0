"""Calls of a trained LM by itself: it is asked the questions of a store and talks freely.

This is the served network, step by step, without a codec: the user's tokens are those of the store.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from kaiwa_server.models.delays import NO_INPUT
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.sampling import SamplingRows
from kaiwa_server.models.uniforms import uniforms
from torch import Tensor

from kaiwa_training.lm.stores import Array, BackgroundStore, QuestionStore


@dataclass(frozen=True)
class RolloutPlan:
    """How long a call goes on before and after its question, and how Moshi draws its tokens."""

    frames_before: int = 45
    frames_after: int = 55
    rows: int = 64
    greedy: bool = False
    text_temperature: float = 0.7
    text_top_k: int = 25
    audio_temperature: float = 0.8
    audio_top_k: int = 250
    seed: int = 1


@dataclass(frozen=True)
class Call:
    """What Moshi said in a call: aligned frames of its text [T] and codes [codebooks, T].

    `speech_end` is the frame in which the question's speech ended, or one after the greeting.
    """

    speech_end: int
    text: Array
    codes: Array


def question_calls(
    lm: MoshiLm, questions: QuestionStore, backgrounds: BackgroundStore, plan: RolloutPlan
) -> Iterator[tuple[int, Call]]:
    """A call for each question: what is around it, the question, what is around it.

    Gives the question's number with its call, the short ones first.
    """
    # Those of about a length go together, since a batch is as long as its longest.
    order = np.argsort(questions.lengths, kind="stable").tolist()
    for numbers in _batches(order, plan.rows):
        longest = int(questions.lengths[numbers].max())
        frames = plan.frames_before + longest + plan.frames_after
        user = np.stack([_line(backgrounds, questions.condition[i], frames, i) for i in numbers])
        for row, i in enumerate(numbers):
            clip = questions.clip(i)
            user[row, :, plan.frames_before : plan.frames_before + clip.shape[1]] = clip
        text, codes = converse(lm, user, numbers, plan)
        for row, i in enumerate(numbers):
            end = plan.frames_before + int(questions.lengths[i]) + plan.frames_after
            speech_end = plan.frames_before + int(questions.speech_end_frame[i])
            yield i, Call(speech_end, text[row, :end], codes[row, :, :end])


def silent_calls(lm: MoshiLm, backgrounds: BackgroundStore, plan: RolloutPlan) -> Iterator[Call]:
    """A call for each stretch in which nobody speaks, as long as the stretches are."""
    for numbers in _batches(list(range(len(backgrounds))), plan.rows):
        frames = int(backgrounds.lengths[numbers].min())
        user = np.stack([backgrounds.clip(i)[:, :frames] for i in numbers]).astype(np.int64)
        text, codes = converse(lm, user, numbers, plan)
        for row in range(len(numbers)):
            yield Call(plan.frames_before, text[row], codes[row])


def converse(
    lm: MoshiLm, user: Array, calls: Sequence[int], plan: RolloutPlan
) -> tuple[Array, Array]:
    """What Moshi writes, as aligned frames, to users [B, codebooks, T]: [B, T], [B, codebooks, T].

    The user's frame t is heard in step t + 1; frame t is complete in step t + the greatest delay.
    The numbers of the calls [B] make their draws differ.
    """
    rows, codebooks, frames = user.shape
    state, every = lm.new_state(rows), torch.arange(rows)
    sampling = _sampling(plan, rows)
    heard = torch.from_numpy(user).long()
    nothing = torch.full((rows, codebooks), NO_INPUT)
    late = max(lm.config.delays)
    text: list[Tensor] = []
    codes: list[Tensor] = []
    for step in range(frames + late):
        now = heard[:, :, step - 1] if 0 < step <= frames else nothing
        drawn = [uniforms(plan.seed + call, step, 1 + codebooks) for call in calls]
        said, _ = lm.step(state, every, now, sampling, torch.from_numpy(np.stack(drawn)))
        text.append(said)
        if step >= late:
            codes.append(state.completed_frame(every))
    return torch.stack(text[:frames], dim=1).numpy(), torch.stack(codes, dim=2).numpy()


def _sampling(plan: RolloutPlan, rows: int) -> SamplingRows:
    if plan.greedy:
        return SamplingRows.greedy(rows)
    return SamplingRows(
        text_temperature=torch.full((rows,), plan.text_temperature),
        text_top_k=torch.full((rows,), plan.text_top_k),
        audio_temperature=torch.full((rows,), plan.audio_temperature),
        audio_top_k=torch.full((rows,), plan.audio_top_k),
    )


def _line(backgrounds: BackgroundStore, condition: object, frames: int, seed: int) -> Array:
    return backgrounds.row(condition, frames, np.random.default_rng(seed))


def _batches(numbers: list[int], rows: int) -> Iterator[list[int]]:
    for first in range(0, len(numbers), rows):
        yield numbers[first : first + rows]
