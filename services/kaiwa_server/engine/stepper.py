"""What the step loop asks of a model: begin a slot, step some slots."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

SettingsT = TypeVar("SettingsT", contravariant=True)
InT = TypeVar("InT", contravariant=True)
OutT = TypeVar("OutT", covariant=True)


class Stepper(Protocol[SettingsT, InT, OutT]):
    """A model with one row of state for each slot.

    The step loop calls both methods from its own thread, never at the same time.
    """

    @property
    def slots(self) -> int:
        """How many sessions fit at once; slots are numbered from 0."""

    def begin(self, slot: int, settings: SettingsT) -> None:
        """Makes the slot's state that of a new session with these settings."""

    def step(self, inputs: Mapping[int, InT]) -> Mapping[int, OutT]:
        """Steps exactly the slots of `inputs`, together, and gives what each of them wrote."""
