"""`kaiwa-codec`: the codec service's process, put together."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

import numpy as np
import torch
import uvloop
from kaiwa.v1 import codec_pb2_grpc, lm_pb2_grpc
from prometheus_client import CollectorRegistry

from kaiwa_server.audio import FRAME_SAMPLES, PcmFrame
from kaiwa_server.codec.capacity import measure_capacity
from kaiwa_server.codec.config import CodecServiceConfig
from kaiwa_server.codec.lm_link import LmService
from kaiwa_server.codec.service import CodecServicer, LoadedCodec
from kaiwa_server.codec.steppers import DecodeStepper, EncodeStepper
from kaiwa_server.engine.capacity import Capacity
from kaiwa_server.engine.capacity_report import tell
from kaiwa_server.engine.step_loop import StepLoop
from kaiwa_server.errors import KaiwaError
from kaiwa_server.models.checkpoint import Checkpoint, load_mimi
from kaiwa_server.models.device import choose_device
from kaiwa_server.models.memory import free_bytes
from kaiwa_server.models.mimi import Mimi
from kaiwa_server.models.speedup import use_kernels
from kaiwa_server.models.weights import fingerprint
from kaiwa_server.serving.channels import open_channel
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
    config = parse(CodecServiceConfig)
    configure_logs(config.log_level, config.log_format)
    try:
        uvloop.run(serve(config))
    except KaiwaError as error:
        raise SystemExit(f"kaiwa-codec: {error}") from None


async def serve(config: CodecServiceConfig) -> None:
    """Listens at once, is ready when the codec is loaded and warm, ends when it is told to."""
    end_on_signals()
    registry = CollectorRegistry()
    metrics = SlotMetrics(registry)
    if config.metrics_port:
        serve_metrics(config.host, config.metrics_port, registry)
    async with AsyncExitStack() as running:
        server = GrpcServer(config, ["kaiwa.v1.CodecService"])
        await server.start()
        running.push_async_callback(server.grpc.stop, None)
        loaded = await asyncio.to_thread(load, config)
        if loaded.capacity:
            metrics.measured(loaded.capacity.p99_s)
        encoder = StepLoop(
            loaded.encoder,
            name="encoder",
            on_step=metrics.on_step("encoder"),
            gather_s=config.gather_ms / 1000,
        )
        decoder = StepLoop(loaded.decoder, name="decoder", on_step=metrics.on_step("decoder"))
        for name, loop in (("encoder", encoder), ("decoder", decoder)):
            metrics.watch(name, loop)
            loop.start()
            running.callback(loop.stop)
        channel = await running.enter_async_context(open_channel(config.lm))
        stub = lm_pb2_grpc.LmServiceStub(channel)
        lm = LmService(stub, config.lm, config.lm_accept_s, config.lm_answer_s)
        servicer = CodecServicer(config, loaded.codec, encoder, decoder, lm, metrics)
        server.add(codec_pb2_grpc.add_CodecServiceServicer_to_server, servicer)
        living = asyncio.create_task(follow(server, lambda: encoder.healthy and decoder.healthy))
        running.callback(living.cancel)
        await server.set_ready(True)
        await server.run_until_signal()


@dataclass(frozen=True)
class Loaded:
    """What comes out of a checkpoint; `capacity` if the number of slots was measured."""

    capacity: Capacity | None
    codec: LoadedCodec
    encoder: EncodeStepper
    decoder: DecodeStepper


def load(config: CodecServiceConfig) -> Loaded:
    """Loads the checkpoint and warms the codec up."""
    if config.threads:
        torch.set_num_threads(config.threads)
    checkpoint = Checkpoint.open(resolve_model_dir(config.model_dir, config.hf_repo))
    device = choose_device(config.device)
    mimi = load_mimi(checkpoint, device)
    use_kernels(mimi, device, config.precision)
    capacity = None if config.slots else measure(mimi, config, device)
    slots = capacity.slots if capacity else config.slots
    encoder, decoder = EncodeStepper(mimi, slots), DecodeStepper(mimi, slots)
    silence = PcmFrame(0, np.zeros(FRAME_SAMPLES, np.float32))
    for slot in range(slots):
        encoder.begin(slot, None)
        decoder.begin(slot, None)
    encoder.warm_up()
    decoder.warm_up()
    for _ in range(WARM_UP_STEPS):
        decoder.step(encoder.step(dict.fromkeys(range(slots), silence)))
    codec = LoadedCodec(
        name=config.hf_repo or checkpoint.name,
        fingerprint=fingerprint(checkpoint.mimi_path),
        codebooks=mimi.num_codebooks,
        codebook_size=mimi.codebook_size,
    )
    return Loaded(capacity, codec, encoder, decoder)


def measure(mimi: Mimi, config: CodecServiceConfig, device: torch.device) -> Capacity:
    """Finds how many sessions this machine carries, and tells what was measured."""
    capacity = measure_capacity(mimi, config.step_budget_ms / 1000, free_bytes(device))
    tell("codec", capacity)
    torch.cuda.empty_cache()  # what torch keeps of the sizes that were tried; others may want it
    return capacity


if __name__ == "__main__":
    main()
