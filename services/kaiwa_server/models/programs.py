"""How a step runs: its program called as it is, or as a CUDA graph."""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

Program = Callable[[Tensor, Tensor], Tensor]
"""What a step does where the model runs: of slots, int64 [B], and what each is given [B, ...] it
makes what each writes [B, ...]."""


class Runner(Protocol):
    """Runs a program for whoever has what is given, and wants what is written, on the host."""

    def __call__(self, slots: Sequence[int], inputs: Tensor) -> Tensor:
        """Runs the program once in these slots, which are distinct."""

    def warm_up(self, inputs: Tensor) -> None:
        """Does what takes time at first; `inputs` [1, ...] are any that the program takes."""


class Plain:
    """Calls the program: nothing is gained by more on a CPU."""

    def __init__(self, program: Program) -> None:
        self._program = program

    @torch.inference_mode()
    def __call__(self, slots: Sequence[int], inputs: Tensor) -> Tensor:
        """See `Runner`."""
        return self._program(torch.tensor(slots), inputs)

    def warm_up(self, inputs: Tensor) -> None:
        """Nothing has to be made first."""


def spare_slots(device: torch.device) -> int:
    """How many slots a runner needs in a state besides the sessions'; they come last."""
    return int(device.type == "cuda")


def runner(
    program: Program,
    rest: Callable[[], None],
    *,
    slots: int,
    device: torch.device,
    urgent: bool = False,
) -> Runner:
    """Gives what runs the program on this device.

    Args:
        program: the step, in a state of `slots` and the spare ones.
        rest: sets the clock of the spare slots back.
        slots: how many sessions there are at most.
        device: where the model is.
        urgent: whether its steps are to go before those of others on the same GPU.
    """
    if device.type == "cpu":
        return Plain(program)
    from kaiwa_server.models.cuda.graphs import Graphs  # triton comes with torch's build for CUDA

    return Graphs(program, rest, slots=slots, device=device, urgent=urgent)
