"""Sessions that join, stall and leave at random in a few slots."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

SLOTS = 4
LONGEST_STEPS = 50


@dataclass(frozen=True)
class Turn:
    """One step: which sessions begin before it, and which take part in it, by slot."""

    begins: dict[int, int]
    ready: dict[int, int]


@dataclass
class _Stay:
    """A session in its slot: how many steps it still takes, how many turns it stalls first."""

    session: int
    steps_left: int
    stalls: int = 0


@dataclass
class Churn:
    """Turns without an end, the same for the same seed; it counts what happens in them.

    Sessions are numbered from 0, in the order in which they join.
    """

    seed: int
    joins: int = 0
    stalls: int = 0
    leaves: int = 0

    @property
    def events(self) -> int:
        """All the joins, stalls and leaves."""
        return self.joins + self.stalls + self.leaves

    def turns(self, steps: int) -> Iterator[Turn]:
        """So many turns; nobody is ready in some of them."""
        luck = random.Random(self.seed)
        stays: dict[int, _Stay] = {}
        for _ in range(steps):
            begins = {}
            for slot in range(SLOTS):
                if slot not in stays and luck.random() < 0.3:
                    stays[slot] = _Stay(self.joins, luck.randint(1, LONGEST_STEPS))
                    begins[slot] = self.joins
                    self.joins += 1
            ready = {slot: stay.session for slot, stay in stays.items() if not stay.stalls}
            yield Turn(begins, ready)
            for slot, stay in list(stays.items()):
                if stay.stalls:
                    stay.stalls -= 1
                    continue
                stay.steps_left -= 1
                if not stay.steps_left:
                    del stays[slot]
                    self.leaves += 1
                elif luck.random() < 0.1:
                    stay.stalls = luck.randint(1, 5)
                    self.stalls += 1
