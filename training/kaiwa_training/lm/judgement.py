"""Judges the LM by whole replies: a wrong word is a wrong answer."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from kaiwa_server.models.lm import MoshiLm

from kaiwa_training.lm.bank import GREETING, Reply, ReplyBank, words_of
from kaiwa_training.lm.rollout import Call, RolloutPlan, question_calls, silent_calls
from kaiwa_training.lm.stores import Array, BackgroundStore, QuestionStore
from kaiwa_training.lm.tokenizer import WordTokenizer


@dataclass(frozen=True)
class Confusion:
    """A wrong answer: the name of the reply that was due, what was said, how often."""

    due: str
    said: str
    count: int


@dataclass(frozen=True)
class Judgement:
    """How many questions were answered with exactly the words of their reply, and how.

    `groups` are shares of right answers, for instance `groups["reply"]["joke"]`. `greeted` is the
    share of all calls that wrote the greeting and nothing else before the question's end, `quiet`
    the share of the calls without a question that wrote nothing after it. `answered_after` is the
    median number of frames from the end of a question to the first word of a right answer, and
    `voice` how much of the codes of the right answers are the bank's.
    """

    questions: int
    right: float
    groups: Mapping[str, Mapping[str, float]]
    greeted: float
    quiet: float
    answered_after: float
    voice: float
    confusions: tuple[Confusion, ...]


@dataclass(frozen=True)
class _Verdict:
    greeted: bool
    said: tuple[int, ...]
    first_word: int


def judge(
    lm: MoshiLm,
    bank: ReplyBank,
    tokenizer: WordTokenizer,
    questions: QuestionStore,
    backgrounds: BackgroundStore,
    plan: RolloutPlan,
    groups: Mapping[str, Array] | None = None,
) -> Judgement:
    """Asks each question in a call of its own, and makes calls in which nothing is asked.

    Args:
        lm: the served network.
        bank: the replies.
        tokenizer: reads what Moshi writes, for the confusions.
        questions: what is asked.
        backgrounds: what is heard around the questions, and in the calls without one.
        plan: how the calls go.
        groups: by the group's name, the label of each question [N]; more than reply and condition.
    """
    greeting = bank.replies[bank.number(GREETING)]
    labels = {"reply": questions.intent, "condition": questions.condition} | dict(groups or {})
    right = np.zeros(len(questions), bool)
    wrong: Counter[tuple[str, str]] = Counter()
    greeted: list[bool] = []
    waited: list[int] = []
    voices: list[float] = []
    for question, call in question_calls(lm, questions, backgrounds, plan):
        verdict = _hear(call, greeting)
        reply = bank.replies[bank.number(str(questions.intent[question]))]
        greeted.append(verdict.greeted)
        if verdict.said == reply.words:
            right[question] = True
            waited.append(verdict.first_word - call.speech_end)
            voices.append(_likeness(call, reply, verdict.first_word))
        else:
            wrong[reply.name, tokenizer.text(verdict.said)] += 1
    silent = [_hear(call, greeting) for call in silent_calls(lm, backgrounds, plan)]
    return Judgement(
        questions=len(questions),
        right=float(right.mean()),
        groups={group: _shares(label, right) for group, label in labels.items()},
        greeted=float(np.mean([*greeted, *(verdict.greeted for verdict in silent)])),
        quiet=float(np.mean([not verdict.said for verdict in silent])),
        answered_after=float(np.median(waited)) if waited else float("nan"),
        voice=float(np.mean(voices)) if voices else float("nan"),
        confusions=tuple(Confusion(*pair, count) for pair, count in wrong.most_common()),
    )


def _hear(call: Call, greeting: Reply) -> _Verdict:
    """What was said up to the question's end and what after it."""
    text, after = call.text.tolist(), call.speech_end + 1
    words = [frame for frame in range(after, len(text)) if words_of([text[frame]])]
    greeted = words_of(text[:after]) == greeting.words
    return _Verdict(greeted, words_of(text[after:]), words[0] if words else len(text))


def _likeness(call: Call, reply: Reply, first_word: int) -> float:
    """The share of the reply's codes that were spoken in their frames."""
    lead = reply.tokens.tolist().index(reply.words[0])
    spoken = call.codes[:, max(0, first_word - lead) :][:, : reply.codes.shape[1]]
    return float((spoken == reply.codes[:, : spoken.shape[1]]).mean())


def _shares(labels: Array, right: Array) -> dict[str, float]:
    counted: dict[str, list[bool]] = defaultdict(list)
    for label, found in zip(labels.tolist(), right.tolist(), strict=True):
        counted[str(label)].append(found)
    return {label: float(np.mean(found)) for label, found in sorted(counted.items())}
