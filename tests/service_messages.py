"""Messages to the codec and LM services, short to write."""

from typing import Any

import numpy as np
from fake_steppers import CODEBOOKS
from kaiwa.v1 import codec_pb2, frames_pb2, lm_pb2, settings_pb2


def generate_config(**settings: Any) -> lm_pb2.GenerateRequest:
    """The first message to Generate."""
    message = settings_pb2.SessionSettings(**settings)
    return lm_pb2.GenerateRequest(config=lm_pb2.GenerateConfig(settings=message))


def generate_frame(
    index: int, token: int = 1, codebooks: int = CODEBOOKS
) -> lm_pb2.GenerateRequest:
    """A user frame with this token in every codebook."""
    return lm_pb2.GenerateRequest(user_frame=codes(index, token, codebooks))


def generate_settings(**settings: Any) -> lm_pb2.GenerateRequest:
    """A change of the settings in mid-call."""
    return lm_pb2.GenerateRequest(settings=settings_pb2.SessionSettings(**settings))


def converse_config(**settings: Any) -> codec_pb2.CodecServiceConverseRequest:
    """The first message to Converse."""
    config = codec_pb2.CodecServiceConverseConfig(settings=settings_pb2.SessionSettings(**settings))
    return codec_pb2.CodecServiceConverseRequest(config=config)


def converse_frame(index: int, token: int = 1) -> codec_pb2.CodecServiceConverseRequest:
    """A user frame that the fake encoder turns into this token."""
    return codec_pb2.CodecServiceConverseRequest(user_frame=sound(index, token))


def converse_settings(**settings: Any) -> codec_pb2.CodecServiceConverseRequest:
    """A change of the settings in mid-call."""
    message = settings_pb2.SessionSettings(**settings)
    return codec_pb2.CodecServiceConverseRequest(settings=message)


def codes(index: int, token: int, codebooks: int = CODEBOOKS) -> frames_pb2.CodeFrame:
    """A frame with this token in every codebook."""
    return frames_pb2.CodeFrame(index=index, tokens=[token] * codebooks)


def sound(index: int, token: int) -> frames_pb2.PcmFrame:
    """A frame that the fake encoder turns into this token."""
    samples = np.full(1920, token / 256, "<f4")
    return frames_pb2.PcmFrame(index=index, samples=samples.tobytes())


def token_of(frame: frames_pb2.PcmFrame) -> int:
    """The token that the fake decoder made this frame of."""
    return round(float(np.frombuffer(frame.samples, "<f4")[0]) * 256)
