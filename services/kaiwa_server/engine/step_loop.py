"""The thread that gathers the slots with something to do, steps them together, delivers.

A step takes every slot that has an input waiting, one input from each, so the batch grows with the
load by itself. When nothing waits, the thread sleeps and costs nothing.

A step begins at once when there is something to do. That is the least delay, but where others want
the same processors, many small steps cost them more than few large ones: a loop can be told to let
inputs **gather**. Then a step begins some time after the one before it began, the longer the more
slots are held, and sooner if all of them are there; who comes after a pause waits for nobody.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from kaiwa_server.engine.slots import SlotTable
from kaiwa_server.engine.stepper import Stepper
from kaiwa_server.errors import ModelFailed

SettingsT = TypeVar("SettingsT")
InT = TypeVar("InT")
OutT = TypeVar("OutT")

STOP_PATIENCE_S = 3.0
# A step has 80 ms; one that takes as long as this will not end any more.
HANG_S = 30.0
# What gathering may add to the delay of a frame, however many slots are held.
MAX_INTERVAL_S = 0.02
# A GPU that has failed once fails in every step from then on.
FAILURES_TO_UNHEALTHY = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StepStats:
    """One step as it went: how many slots were in it and how long the model took."""

    batch: int
    seconds: float


class HeldSlot(Generic[SettingsT, InT, OutT]):
    """A slot held by one session; made by `StepLoop.open`."""

    def __init__(
        self,
        loop: "StepLoop[SettingsT, InT, OutT]",
        slot: int,
        settings: SettingsT,
        deliver: Callable[[OutT | ModelFailed], None],
    ) -> None:
        self.slot = slot
        self.settings = settings
        self.deliver = deliver
        self.inputs: deque[InT] = deque()
        self.begun = False
        self.closed = False
        self._loop = loop

    def push(self, item: InT) -> None:
        """Asks for one step on `item`. The inputs of a slot are stepped in order.

        Nothing bounds the queue here: a service pushes no more than its window allows.
        """
        self._loop.push(self, item)

    def close(self) -> None:
        """Frees the slot at once and drops what it still waited for; again, it does nothing."""
        self._loop.close(self)


class StepLoop(Generic[SettingsT, InT, OutT]):
    """Runs a stepper on a thread of its own for the sessions that hold its slots."""

    def __init__(
        self,
        stepper: Stepper[SettingsT, InT, OutT],
        *,
        name: str,
        on_step: Callable[[StepStats], None] | None = None,
        hang_s: float = HANG_S,
        gather_s: float = 0.0,
    ) -> None:
        """Puts a loop around a stepper; `start` starts it.

        Args:
            stepper: the model.
            name: the thread's name.
            on_step: told of every step, on the loop's thread.
            hang_s: how long a step may take before the loop counts as unhealthy.
            gather_s: the least time from the beginning of a step to that of the next, for each slot
                that is held; 20 ms in all at most. 0 waits for nobody.
        """
        self._stepper = stepper
        self._gather_s = gather_s
        self._next_step_s = -math.inf
        self._hang_s = hang_s
        self._step_began_s: float | None = None
        self._failures_in_a_row = 0
        self._table = SlotTable(stepper.slots)
        self._held: dict[int, HeldSlot[SettingsT, InT, OutT]] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._on_step = on_step
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def slots(self) -> int:
        """How many sessions fit at once."""
        return self._table.slots

    @property
    def slots_used(self) -> int:
        """How many slots are held."""
        return self._table.used

    @property
    def healthy(self) -> bool:
        """Whether steps complete: none hangs, and the latest have not all failed."""
        began_s = self._step_began_s
        hangs = began_s is not None and time.monotonic() - began_s > self._hang_s
        return not hangs and self._failures_in_a_row < FAILURES_TO_UNHEALTHY

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the step it is in; a step that hangs is not waited for."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(STOP_PATIENCE_S)
        if self._thread.is_alive():
            log.error("a step of %s hangs: it is left behind", self._thread.name)

    def open(
        self, settings: SettingsT, deliver: Callable[[OutT | ModelFailed], None]
    ) -> HeldSlot[SettingsT, InT, OutT]:
        """Takes a slot for a new session.

        `deliver` is called on the loop's thread, once for each input and in order, until the slot
        is closed. After a `ModelFailed` there are no more.

        Raises:
            ServiceFull: every slot is taken.
        """
        with self._changed:
            held = HeldSlot(self, self._table.take(), settings, deliver)
            self._held[held.slot] = held
        return held

    def push(self, held: HeldSlot[SettingsT, InT, OutT], item: InT) -> None:
        """Queues an input for a slot; see `HeldSlot.push`."""
        with self._changed:
            if not held.closed:
                held.inputs.append(item)
                self._changed.notify()

    def close(self, held: HeldSlot[SettingsT, InT, OutT]) -> None:
        """Frees a slot; see `HeldSlot.close`."""
        with self._changed:
            if self._held.get(held.slot) is held:
                del self._held[held.slot]
                self._table.give_back(held.slot)
                self._changed.notify()  # it may have been the one that was waited for
            held.closed = True
            held.inputs.clear()

    def _run(self) -> None:
        while batch := self._gather():
            self._step(batch)

    def _gather(self) -> list[tuple[HeldSlot[SettingsT, InT, OutT], InT]]:
        """Waits until a step is to begin and some slot has an input; empty when the loop stops."""
        with self._changed:
            while not self._stopping:
                ready = [held for held in self._held.values() if held.inputs]
                now_s = time.monotonic()
                if ready and (now_s >= self._next_step_s or len(ready) == len(self._held)):
                    interval_s = min(self._gather_s * len(self._held), MAX_INTERVAL_S)
                    self._next_step_s = now_s + interval_s
                    return [(held, held.inputs.popleft()) for held in ready]
                self._changed.wait(self._next_step_s - now_s if ready else None)
            return []

    def _step(self, batch: list[tuple[HeldSlot[SettingsT, InT, OutT], InT]]) -> None:
        self._step_began_s = began_s = time.monotonic()
        outputs: dict[int, OutT | ModelFailed]
        try:
            for held, _ in batch:
                if not held.begun:
                    self._stepper.begin(held.slot, held.settings)
                    held.begun = True
            written = self._stepper.step({held.slot: item for held, item in batch})
            outputs = {held.slot: written[held.slot] for held, _ in batch}
            self._failures_in_a_row = 0
        except Exception:
            # The rows of this batch may be half written: their sessions end, the others go on.
            log.exception("a step of %d slots failed", len(batch))
            self._failures_in_a_row += 1
            failure = ModelFailed("the model failed in this session's step: open a new session")
            outputs = dict.fromkeys((held.slot for held, _ in batch), failure)
        seconds = time.monotonic() - began_s
        self._step_began_s = None
        for held, _ in batch:
            self._deliver(held, outputs[held.slot])
        if self._on_step:
            self._on_step(StepStats(batch=len(batch), seconds=seconds))

    def _deliver(self, held: HeldSlot[SettingsT, InT, OutT], output: OutT | ModelFailed) -> None:
        # Under the lock, so that nothing is delivered once close() has returned.
        with self._changed:
            if held.closed:
                return
            if isinstance(output, ModelFailed):
                held.inputs.clear()
                held.closed = True
            held.deliver(output)
