"""Frames as they come off the wire, checked."""

from collections.abc import Sequence

import numpy as np

from kaiwa_server.audio import FRAME_SAMPLES, CodeFrame, PcmFrame
from kaiwa_server.errors import BadFrame, BadToken

SAMPLES_FORMAT = np.dtype("<f4")
FRAME_BYTES = FRAME_SAMPLES * SAMPLES_FORMAT.itemsize


def pcm_frame(index: int, samples: bytes, expected_index: int) -> PcmFrame:
    """Gives the frame of sound whose samples are 7,680 bytes of little-endian float32.

    Raises:
        BadFrame: it is not the next one, not of that size, or a sample is not a finite number.
    """
    _check_index(index, expected_index)
    if len(samples) != FRAME_BYTES:
        raise BadFrame(
            f"frame {index} has {len(samples)} bytes of samples: send {FRAME_BYTES}, which is "
            f"{FRAME_SAMPLES} samples (80 ms) of mono 24 kHz 32-bit float"
        )
    values = np.frombuffer(samples, SAMPLES_FORMAT)
    if not np.isfinite(values).all():
        raise BadFrame(
            f"frame {index} has samples that are NaN or infinite: send 32-bit floats in [-1, 1]"
        )
    return PcmFrame(index, values)


def code_frame(
    index: int, tokens: Sequence[int], expected_index: int, codebooks: int, codebook_size: int
) -> CodeFrame:
    """Gives the frame of tokens, one in each of `codebooks` codebooks of `codebook_size` entries.

    Raises:
        BadFrame: it is not the next one.
        BadToken: there are too few or too many tokens, or one is outside its codebook.
    """
    _check_index(index, expected_index)
    if len(tokens) != codebooks:
        raise BadToken(
            f"frame {index} has {len(tokens)} tokens: send {codebooks}, one for each codebook"
        )
    for codebook, token in enumerate(tokens):
        if not 0 <= token < codebook_size:
            raise BadToken(
                f"frame {index} has token {token} in codebook {codebook}: "
                f"tokens go from 0 to {codebook_size - 1}"
            )
    return CodeFrame(index, tuple(tokens))


def _check_index(index: int, expected_index: int) -> None:
    if index != expected_index:
        raise BadFrame(
            f"frame {index} came where frame {expected_index} was expected: "
            "number the frames from 0 without gaps"
        )
