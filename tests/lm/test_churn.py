"""The language model among sessions that come and go: each says what it says alone."""

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from churn import LONGEST_STEPS, SLOTS, Churn
from kaiwa_server.audio import CodeFrame
from kaiwa_server.lm.settings import LmSettings
from kaiwa_server.lm.stepper import LmStepper, StepOutput
from models.served import as_served
from models.tiny_lm import TINY, tiny_lm
from torch import Tensor

LOGITS_TOLERANCE = 1e-4
MOST_EXCUSED = 1
"""So many sessions may draw another token by the last bits of their logits, in each 200."""


@dataclass(frozen=True)
class Step:
    """What a session's step gave, and the logits [V] behind each of its tokens."""

    output: StepOutput
    logits: list[Tensor]

    @property
    def tokens(self) -> tuple[int, ...]:
        return (self.output.record.text_token, *self.output.record.moshi_tokens)


class Listener:
    """A stepper whose logits are kept."""

    def __init__(self, slots: int) -> None:
        lm = as_served(tiny_lm())
        self.stepper = LmStepper(lm, slots)
        self._heads: list[Tensor] = []
        lm.text_linear.register_forward_hook(lambda *call: self._heads.append(call[-1][:, 0]))
        untapped = lm.codebook_logits

        def tapped(*args: Any) -> Tensor:
            self._heads.append(untapped(*args))
            return self._heads[-1]

        lm.codebook_logits = tapped  # type: ignore[method-assign]

    def step(self, inputs: Mapping[int, CodeFrame | None]) -> dict[int, Step]:
        self._heads.clear()
        outputs = self.stepper.step(inputs)
        return {
            slot: Step(outputs[slot], [head[row] for head in self._heads])
            for row, slot in enumerate(sorted(inputs))
        }


def settings(session: int) -> LmSettings:
    luck = random.Random(session)
    return LmSettings(
        text_temperature=luck.choice([0.0, 0.7, 1.3]),
        text_top_k=luck.choice([1, 25, 32_000]),
        audio_temperature=luck.choice([0.0, 0.8, 2.0]),
        audio_top_k=luck.choice([2, 250]),
        seed=luck.getrandbits(63),
    )


def heard(session: int) -> list[CodeFrame | None]:
    """What a session says in each of its steps; nothing in step 0."""
    luck = random.Random(-1 - session)
    frames = [
        CodeFrame(index, tuple(luck.randrange(TINY.codebook_size) for _ in range(TINY.codebooks)))
        for index in range(LONGEST_STEPS)
    ]
    return [None, *frames]


def differs(together: list[Step], alone: list[Step]) -> bool:
    """Whether a token differs, where the logits behind it do not.

    What follows such a token is another conversation, and is not compared.
    """
    for ours, theirs in zip(together, alone, strict=True):
        for stream, (token, expected) in enumerate(zip(ours.tokens, theirs.tokens, strict=True)):
            torch.testing.assert_close(
                ours.logits[stream], theirs.logits[stream], atol=LOGITS_TOLERANCE, rtol=0
            )
            if token != expected:
                return True
        assert ours.output == theirs.output
    return False


@pytest.mark.parametrize("steps", [500, pytest.param(2_000, marks=pytest.mark.soak)])
def test_every_session_says_what_it_says_alone(steps: int) -> None:
    churn, crowd = Churn(seed=steps), Listener(SLOTS)
    together: dict[int, list[Step]] = defaultdict(list)
    for turn in churn.turns(steps):
        for slot, session in turn.begins.items():
            crowd.stepper.begin(slot, settings(session))
        inputs = {
            slot: heard(session)[len(together[session])] for slot, session in turn.ready.items()
        }
        for slot, step in crowd.step(inputs).items() if inputs else ():
            together[turn.ready[slot]].append(step)
    assert churn.events >= 200
    single = Listener(1)
    excused = 0
    for session, steps_together in together.items():
        single.stepper.begin(0, settings(session))
        inputs_alone = heard(session)[: len(steps_together)]
        excused += differs(steps_together, [single.step({0: item})[0] for item in inputs_alone])
    assert excused <= MOST_EXCUSED * (1 + churn.joins // 200)
