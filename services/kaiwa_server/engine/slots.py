"""Which rows of a model's batch are taken."""

import heapq

from kaiwa_server.errors import ServiceFull


class SlotTable:
    """Hands out slots, the lowest free one first, so that the taken ones stay close together."""

    def __init__(self, slots: int) -> None:
        if slots < 1:
            raise ValueError(f"a slot table needs at least one slot, got {slots}")
        self.slots = slots
        self._free = list(range(slots))

    @property
    def used(self) -> int:
        """How many slots are taken."""
        return self.slots - len(self._free)

    def take(self) -> int:
        """Takes a slot.

        Raises:
            ServiceFull: every slot is taken.
        """
        if not self._free:
            raise ServiceFull(f"all {self.slots} slots are taken: try again later or elsewhere")
        return heapq.heappop(self._free)

    def give_back(self, slot: int) -> None:
        """Frees a slot that was taken."""
        if slot in self._free or not 0 <= slot < self.slots:
            raise ValueError(f"slot {slot} is not taken")
        heapq.heappush(self._free, slot)
