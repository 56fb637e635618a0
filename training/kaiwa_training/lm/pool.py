"""Draws questions: of one condition, every reply as often as every other."""

import numpy as np

from kaiwa_training.lm.stores import Array, QuestionStore


class QuestionPool:
    """The questions of a store by condition and by the reply that answers.

    `heavy` replies are drawn so many times as often as the others.
    """

    def __init__(self, store: QuestionStore, heavy: dict[str, float]) -> None:
        self.store = store
        conditions, numbers = np.unique(store.condition, return_inverse=True)
        self.conditions: list[object] = conditions.tolist()
        self._condition_bounds = _bounds(np.bincount(numbers))
        every = [np.flatnonzero(numbers == i) for i in range(len(conditions))]
        self._members = [_by_reply(store.intent, members) for members in every]
        self._bounds = [
            _bounds(np.array([heavy.get(reply, 1.0) for reply in members]))
            for members in self._members
        ]

    def draw_condition(self, rng: np.random.Generator) -> int:
        """The place of a condition in `conditions`, as often as the store has it."""
        return _draw(self._condition_bounds, rng)

    def draw(self, condition: int, rng: np.random.Generator) -> int:
        """The number of a question of the condition at this place."""
        members = list(self._members[condition].values())
        chosen = members[_draw(self._bounds[condition], rng)]
        return int(chosen[rng.integers(len(chosen))])


def _by_reply(intents: Array, members: Array) -> dict[str, Array]:
    ordered = members[np.argsort(intents[members], kind="stable")]
    replies, firsts = np.unique(intents[ordered], return_index=True)
    return dict(zip(replies.tolist(), np.split(ordered, firsts[1:]), strict=True))


def _bounds(weights: Array) -> Array:
    """Where each of the weights ends when all of them are lined up from 0 to 1."""
    bounds: Array = np.cumsum(weights / weights.sum())
    return bounds


def _draw(bounds: Array, rng: np.random.Generator) -> int:
    return int(np.searchsorted(bounds[:-1], rng.random(), side="right"))
