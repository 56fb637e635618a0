"""The codec service with the embedded Mimi: real speech to tokens and back."""

from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
import soundfile
from kaiwa.v1 import codec_pb2, codec_pb2_grpc, frames_pb2, lm_pb2_grpc
from kaiwa_server.audio import FRAME_SAMPLES
from kaiwa_server.codec.__main__ import load
from kaiwa_server.codec.config import CodecServiceConfig
from kaiwa_server.codec.lm_link import LmService
from kaiwa_server.codec.service import CodecServicer
from kaiwa_server.engine.step_loop import StepLoop
from kaiwa_server.serving.channels import open_channel
from kaiwa_server.serving.slot_metrics import SlotMetrics
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from serving_calls import all_of, served


@pytest.fixture
async def stub() -> AsyncIterator[Any]:
    config = CodecServiceConfig(device="cpu", slots=2)
    loaded = load(config)
    encoder = StepLoop(loaded.encoder, name="encoder")
    decoder = StepLoop(loaded.decoder, name="decoder")
    async with open_channel("127.0.0.1:1") as nobody:
        lm = LmService(lm_pb2_grpc.LmServiceStub(nobody), "127.0.0.1:1", 1.0, 1.0)
        metrics = SlotMetrics(CollectorRegistry())
        servicer = CodecServicer(config, loaded.codec, encoder, decoder, lm, metrics)
        encoder.start()
        decoder.start()
        try:
            add = codec_pb2_grpc.add_CodecServiceServicer_to_server
            async with served(add, servicer) as (_, channel):
                yield codec_pb2_grpc.CodecServiceStub(channel)
        finally:
            encoder.stop()
            decoder.stop()


@pytest.fixture
def speech() -> NDArray[np.float32]:
    """A spoken question between two pauses, [frames, 1920]."""
    path = files("kaiwa") / "questions" / "name.wav"
    with path.open("rb") as file:
        samples, rate_hz = soundfile.read(file, dtype="float32")
    assert rate_hz == 24_000
    samples = np.pad(samples, 6 * FRAME_SAMPLES)
    return samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)


async def test_speech_that_was_encoded_and_decoded_is_as_loud_when_it_was_loud(
    stub: Any, speech: NDArray[np.float32]
) -> None:
    sounds = [
        codec_pb2.EncodeRequest(frame=frames_pb2.PcmFrame(index=index, samples=frame.tobytes()))
        for index, frame in enumerate(speech)
    ]
    *encoded, encoded_summary = await all_of(stub.Encode(iter(sounds)))
    codes = [codec_pb2.DecodeRequest(frame=response.frame) for response in encoded]
    *decoded, decoded_summary = await all_of(stub.Decode(iter(codes)))
    assert encoded_summary.summary.frames == decoded_summary.summary.frames == len(speech)
    again = np.stack([np.frombuffer(response.frame.samples, "<f4") for response in decoded])
    assert again.shape == speech.shape

    def loudness(frames: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.log10(np.sqrt((frames**2).mean(axis=1)) + 1e-3)

    assert np.corrcoef(loudness(speech), loudness(again))[0, 1] > 0.95


async def test_calls_at_the_same_time_give_what_they_give_alone(
    stub: Any, speech: NDArray[np.float32]
) -> None:
    def sounds(frames: NDArray[np.float32]) -> Any:
        for index, frame in enumerate(frames):
            message = frames_pb2.PcmFrame(index=index, samples=frame.tobytes())
            yield codec_pb2.EncodeRequest(frame=message)

    alone = await all_of(stub.Encode(sounds(speech[:12])))
    first, second = stub.Encode(sounds(speech[:12])), stub.Encode(sounds(speech[5:]))
    assert await all_of(first) == alone
    assert (await all_of(second))[-1].summary.frames == len(speech) - 5
