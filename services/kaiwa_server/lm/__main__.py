"""`kaiwa-lm`: the LM service's process, put together."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
import uvloop
from kaiwa.v1 import lm_pb2_grpc
from prometheus_client import CollectorRegistry
from sentencepiece import SentencePieceProcessor

from kaiwa_server.engine.capacity import Capacity
from kaiwa_server.engine.capacity_report import tell
from kaiwa_server.engine.step_loop import StepLoop
from kaiwa_server.errors import CheckpointError, KaiwaError
from kaiwa_server.lm.capacity import measure_capacity
from kaiwa_server.lm.config import LmServiceConfig
from kaiwa_server.lm.service import LmServicer, LoadedLm
from kaiwa_server.lm.settings import LmSettings
from kaiwa_server.lm.stepper import LmStepper
from kaiwa_server.lm.text import Tokenizer
from kaiwa_server.models.checkpoint import Checkpoint, load_lm
from kaiwa_server.models.device import choose_device
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.memory import free_bytes
from kaiwa_server.models.speedup import use_kernels
from kaiwa_server.models.weights import fingerprint
from kaiwa_server.serving.config import parse
from kaiwa_server.serving.hub import resolve_model_dir
from kaiwa_server.serving.liveness import follow
from kaiwa_server.serving.logs import configure_logs
from kaiwa_server.serving.metrics import serve_metrics
from kaiwa_server.serving.server import GrpcServer, end_on_signals
from kaiwa_server.serving.slot_metrics import SlotMetrics

WARM_UP_STEPS = 3


def main() -> None:
    """Serves until SIGTERM or Ctrl-C."""
    config = parse(LmServiceConfig)
    configure_logs(config.log_level, config.log_format)
    try:
        uvloop.run(serve(config))
    except KaiwaError as error:
        raise SystemExit(f"kaiwa-lm: {error}") from None


async def serve(config: LmServiceConfig) -> None:
    """Listens at once, is ready when the model is loaded and warm, ends when it is told to."""
    end_on_signals()
    registry = CollectorRegistry()
    metrics = SlotMetrics(registry)
    if config.metrics_port:
        serve_metrics(config.host, config.metrics_port, registry)
    async with AsyncExitStack() as running:
        server = GrpcServer(config, ["kaiwa.v1.LmService"])
        await server.start()
        running.push_async_callback(server.grpc.stop, None)
        loaded = await asyncio.to_thread(load, config)
        if loaded.capacity:
            metrics.measured(loaded.capacity.p99_s)
        loop = StepLoop(loaded.stepper, name="lm", on_step=metrics.on_step("lm"))
        metrics.watch("lm", loop)
        loop.start()
        running.callback(loop.stop)
        servicer = LmServicer(config, loaded.model, loop, loaded.tokenizer, metrics)
        server.add(lm_pb2_grpc.add_LmServiceServicer_to_server, servicer)
        living = asyncio.create_task(follow(server, lambda: loop.healthy))
        running.callback(living.cancel)
        await server.set_ready(True)
        await server.run_until_signal()


@dataclass(frozen=True)
class Loaded:
    """What comes out of a checkpoint; `capacity` if the number of slots was measured."""

    capacity: Capacity | None
    model: LoadedLm
    stepper: LmStepper
    tokenizer: Tokenizer


def load(config: LmServiceConfig) -> Loaded:
    """Loads the checkpoint and warms the model up."""
    if config.threads:
        torch.set_num_threads(config.threads)
    device = choose_device(config.device)
    checkpoint = Checkpoint.open(resolve_model_dir(config.model_dir, config.hf_repo))
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    lm = load_lm(checkpoint, device, dtype)
    use_kernels(lm, device, config.precision, config.kv)
    capacity = None if config.slots else measure(lm, config, device)
    stepper = LmStepper(lm, capacity.slots if capacity else config.slots)
    for slot in range(stepper.slots):
        stepper.begin(slot, LmSettings(seed=0))
    stepper.warm_up()
    for _ in range(WARM_UP_STEPS):
        stepper.step(dict.fromkeys(range(stepper.slots)))
    model = LoadedLm(
        name=config.hf_repo or checkpoint.name,
        fingerprint=fingerprint(checkpoint.lm_path),
        context_steps=lm.config.temporal.context,
        text_vocabulary_size=lm.config.text_vocabulary_size,
        codebooks=lm.config.codebooks,
        codebook_size=lm.config.codebook_size,
        delays_steps=lm.config.delays,
    )
    return Loaded(capacity, model, stepper, load_tokenizer(checkpoint.tokenizer_path))


def measure(lm: MoshiLm, config: LmServiceConfig, device: torch.device) -> Capacity:
    """Finds how many sessions this machine carries, and tells what was measured."""
    capacity = measure_capacity(lm, config.step_budget_ms / 1000, free_bytes(device))
    tell("LM", capacity)
    torch.cuda.empty_cache()  # what torch keeps of the sizes that were tried; others may want it
    return capacity


def load_tokenizer(path: Path) -> Tokenizer:
    """Loads the text tokenizer.

    Raises:
        CheckpointError: the file is not a sentencepiece model.
    """
    try:
        return SentencePieceProcessor(model_file=str(path))
    except RuntimeError as error:
        raise CheckpointError(f"{path}: expected a sentencepiece model: {error}") from error


if __name__ == "__main__":
    main()
