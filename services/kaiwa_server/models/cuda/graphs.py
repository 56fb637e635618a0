"""A step as a CUDA graph: launched as one, whatever it consists of.

A graph has fixed shapes. There is one for each bucket, a number of rows; a step of fewer rows is
filled up with a spare slot that is nobody's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kaiwa_server.models.programs import Program

BUCKETS = (1, 2, 4, 8, 16, 32, 64, 96, 128, 160, 192)

EAGER_STEPS = 3
"""Before a step is captured: libraries take their memory and kernels are compiled."""


class Graphs:
    """Runs a program in slots on a GPU.

    The host waits once in a step: for what it wrote. `rest` sets the spare slot's clock back, so
    that its rows attend to next to nothing. Where several of these are on a GPU, what is `urgent`
    goes before what is not.
    """

    def __init__(
        self,
        program: Program,
        rest: Callable[[], None],
        *,
        slots: int,
        device: torch.device,
        urgent: bool,
    ) -> None:
        self._program = program
        self._rest = rest
        self._spare = slots
        self._buckets = [*(bucket for bucket in BUCKETS if bucket < slots), slots]
        # The kernels of a graph keep the priority of the stream that it was captured on.
        self._stream = torch.cuda.Stream(device, priority=-1 if urgent else 0)
        self._memory = torch.cuda.graph_pool_handle()
        self._captured: dict[int, _Captured] = {}

    @torch.inference_mode()
    def __call__(self, slots: Sequence[int], inputs: Tensor) -> Tensor:
        """What the program makes of inputs [B, ...] in these slots [B]; both are on the host."""
        return self._for(len(slots), inputs).run(slots, inputs, self._spare)

    @torch.inference_mode()
    def warm_up(self, inputs: Tensor) -> None:
        """Captures every bucket; `inputs` [1, ...] are any that the program takes."""
        for bucket in self._buckets:
            self._for(bucket, inputs)

    def _for(self, rows: int, inputs: Tensor) -> "_Captured":
        bucket = next(bucket for bucket in self._buckets if bucket >= rows)
        if bucket not in self._captured:
            self._captured[bucket] = self._capture(bucket, inputs)
        return self._captured[bucket]

    def _capture(self, bucket: int, like: Tensor) -> "_Captured":
        """Captures a step of nobody but the spare slot, which is harmless at any time."""
        device = self._stream.device
        rows = torch.full((bucket,), self._spare, device=device)
        inputs = like[:1].to(device).expand(bucket, *like.shape[1:]).contiguous()
        self._stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(self._stream):
            for _ in range(EAGER_STEPS):
                self._step(rows, inputs)
        self._stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        # Another thread may be at its own step meanwhile.
        with torch.cuda.graph(
            graph, pool=self._memory, stream=self._stream, capture_error_mode="thread_local"
        ):
            outputs = self._step(rows, inputs)
        return _Captured(
            graph=graph,
            device=(rows, inputs, outputs),
            host=(_pinned(rows), _pinned(inputs), _pinned(outputs)),
            done=torch.cuda.Event(),
        )

    def _step(self, rows: Tensor, inputs: Tensor) -> Tensor:
        self._rest()
        return self._program(rows, inputs)


@dataclass(frozen=True)
class _Captured:
    """A graph, and what it reads and writes: rows, inputs and outputs, here and there."""

    graph: torch.cuda.CUDAGraph
    device: tuple[Tensor, Tensor, Tensor]
    host: tuple[Tensor, Tensor, Tensor]
    done: torch.cuda.Event

    def run(self, slots: Sequence[int], inputs: Tensor, spare: int) -> Tensor:
        count = len(slots)
        rows, given, written = self.host
        rows[:count] = torch.tensor(slots)
        rows[count:] = spare
        given[:count] = inputs
        for there, here in zip(self.device[:2], (rows, given), strict=True):
            there.copy_(here, non_blocking=True)
        self.graph.replay()
        written.copy_(self.device[2], non_blocking=True)
        self.done.record()
        self.done.synchronize()
        return written[:count].clone()


def _pinned(like: Tensor) -> Tensor:
    return torch.empty(like.shape, dtype=like.dtype, pin_memory=True)
