"""Whole conversations with the gateway, as fast as it answers."""

import grpc
import numpy as np
from kaiwa.v1 import dialogue_pb2, dialogue_pb2_grpc
from kaiwa.v1.settings_pb2 import SessionSettings
from numpy.typing import NDArray

FRAME_SAMPLES = 1920
GREEDY = SessionSettings(text_temperature=0, audio_temperature=0)


def silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(int(seconds * 24_000), np.float32)


def frames_of(*sounds: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sounds one after the other, cut to whole frames: [T, 1920]."""
    sound = np.concatenate(sounds)
    return sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)


async def talk_to_gateway(
    address: str, frames: NDArray[np.float32], settings: SessionSettings
) -> tuple[str, NDArray[np.float32]]:
    """What Moshi says to frames [T, 1920], in words and sound [T, 1920], over PCM.

    A frame is sent when the one before it is answered.
    """
    pcm = dialogue_pb2.AudioFormat(encoding=dialogue_pb2.AUDIO_ENCODING_PCM_F32LE)
    config = dialogue_pb2.ConverseConfig(
        input_format=pcm, output_format=pcm, settings=settings, pace=dialogue_pb2.PACE_FAST
    )
    words, sound = "", []
    async with grpc.aio.insecure_channel(address) as channel:
        call = dialogue_pb2_grpc.DialogueServiceStub(channel).Converse()
        await call.write(dialogue_pb2.ConverseRequest(config=config))
        for samples in frames:
            audio = dialogue_pb2.InputAudio(data=samples.tobytes())
            await call.write(dialogue_pb2.ConverseRequest(audio=audio))
            while not (response := await call.read()).HasField("audio"):
                assert response.WhichOneof("response") in ("ready", "text", "event")
                words += " " * response.text.starts_word + response.text.text
            sound.append(np.frombuffer(response.audio.data, "<f4"))
        await call.done_writing()
        last = await call.read()
        assert last.summary.frames_in == last.summary.frames_out == len(frames)
        assert last.summary.frames_dropped == 0
        assert await call.code() == grpc.StatusCode.OK
    return words.strip(), np.stack(sound)
