"""The LM service with the embedded model: it greets, and a seed says what it draws."""

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from kaiwa.v1 import frames_pb2, lm_pb2, lm_pb2_grpc
from kaiwa_server.audio import FRAME_SAMPLES, PcmFrame
from kaiwa_server.codec.steppers import EncodeStepper
from kaiwa_server.engine.step_loop import StepLoop
from kaiwa_server.lm.__main__ import load
from kaiwa_server.lm.config import LmServiceConfig
from kaiwa_server.lm.service import LmServicer
from kaiwa_server.models.checkpoint import Checkpoint, load_mimi
from kaiwa_server.serving.hub import EMBEDDED_MODEL_DIR
from kaiwa_server.serving.slot_metrics import SlotMetrics
from prometheus_client import CollectorRegistry
from service_messages import generate_config
from serving_calls import all_of, served

FRAMES = 50


@pytest.fixture(scope="module")
def silence() -> list[frames_pb2.CodeFrame]:
    """Four seconds of silence as Mimi writes it."""
    encoder = EncodeStepper(load_mimi(Checkpoint.open(EMBEDDED_MODEL_DIR)), slots=1)
    encoder.begin(0, None)
    samples = np.zeros(FRAME_SAMPLES, np.float32)
    frames = [encoder.step({0: PcmFrame(index, samples)})[0] for index in range(FRAMES)]
    return [frames_pb2.CodeFrame(index=frame.index, tokens=frame.tokens) for frame in frames]


@pytest.fixture
async def stub() -> AsyncIterator[Any]:
    config = LmServiceConfig(device="cpu", slots=3)
    loaded = load(config)
    loop = StepLoop(loaded.stepper, name="lm")
    metrics = SlotMetrics(CollectorRegistry())
    servicer = LmServicer(config, loaded.model, loop, loaded.tokenizer, metrics)
    loop.start()
    try:
        add = lm_pb2_grpc.add_LmServiceServicer_to_server
        async with served(add, servicer) as (_, channel):
            yield lm_pb2_grpc.LmServiceStub(channel)
    finally:
        loop.stop()


def generate(stub: Any, frames: list[frames_pb2.CodeFrame], **settings: Any) -> Any:
    requests = [lm_pb2.GenerateRequest(user_frame=frame) for frame in frames]
    return stub.Generate(iter([generate_config(**settings), *requests]))


async def test_it_greets_whom_it_hears_nothing_from(
    stub: Any, silence: list[frames_pb2.CodeFrame]
) -> None:
    _, *responses, last = await all_of(generate(stub, silence, seed=1))
    assert last.summary.steps == len(responses) == FRAMES + 1
    steps = [response.step for response in responses]
    assert [step.moshi_frame.index for step in steps[1:]] == list(range(FRAMES))
    text = "".join(" " * step.text.starts_word + step.text.text for step in steps)
    assert text.strip().startswith("Hello, I am Moshi.")


async def test_the_same_seed_gives_the_same_session_alone_and_beside_others(
    stub: Any, silence: list[frames_pb2.CodeFrame]
) -> None:
    async def steps(call: Any) -> list[lm_pb2.GenerateStep]:
        return [response.step for response in await all_of(call) if response.HasField("step")]

    # Hot, because at the default temperatures every seed gives the greeting it has by heart.
    def hot(seed: int) -> Any:
        return generate(stub, silence, seed=seed, text_temperature=2.0, audio_temperature=3.0)

    alone = await steps(hot(2))
    together = [await steps(call) for call in [hot(2), hot(3), hot(2)]]
    assert together[0] == together[2] == alone
    assert together[1] != alone
