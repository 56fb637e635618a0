"""Turns clips into tokens with the finished encoder, many at a time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from kaiwa_server.audio import FRAME_SAMPLES
from kaiwa_server.models.mimi import Mimi
from numpy.typing import NDArray

from kaiwa_training import checkpoints
from kaiwa_training.codec import whole
from kaiwa_training.codec.heads import LABELS_PER_FRAME
from kaiwa_training.codec.quantization import register
from kaiwa_training.codec.shape import DEMO_MIMI
from kaiwa_training.lm.hearing import Hearing

ROWS = 8
"""Clips in one go. More are slower on a CPU: they no longer fit its caches."""


def load_mimi(path: Path, device: str = "cpu") -> Mimi:
    """Reads a codec from a checkpoint of its training, for encoding and decoding.

    Raises:
        FileNotFoundError: there is no such checkpoint.
    """
    stored = checkpoints.load(path)
    if stored is None:
        raise FileNotFoundError(f"{path} is missing: train the codec first")
    mimi = Mimi(DEMO_MIMI)
    mimi.load_state_dict(stored["mimi"])
    register(mimi.quantizer)
    return mimi.requires_grad_(False).eval().to(device)


def hearing(path: Path) -> Hearing:
    """What the encoder's training knows of the entries of the first two codebooks.

    Of the first these are the entries and the phones they stand for, of the second the entries.
    """
    mimi, heads = load_mimi(path), (checkpoints.load(path) or {})["heads"]
    semantic = mimi.quantizer.rvq_first.codebooks[0].entries
    acoustic = mimi.quantizer.rvq_rest.codebooks[0].entries
    logits = F.linear(semantic, heads["phone.weight"], heads["phone.bias"])
    phones = logits.view(len(semantic), LABELS_PER_FRAME, -1).softmax(dim=-1).flatten(1)
    near = semantic / semantic.std() / semantic.shape[1] ** 0.5
    both = torch.cat((near, 2 * phones), dim=1)
    return Hearing((both.numpy(), (acoustic / acoustic.std()).numpy()))


@torch.inference_mode()
def encode(mimi: Mimi, clips: Sequence[NDArray[np.float32]]) -> list[NDArray[np.uint16]]:
    """Clips of whole frames, each [1920 * T] -> their codes, each [8, T]; each starts a session."""
    codes: list[NDArray[np.uint16]] = [np.empty((0, 0), np.uint16)] * len(clips)
    device = next(mimi.parameters()).device
    by_length = sorted(range(len(clips)), key=lambda i: len(clips[i]))
    for start in range(0, len(clips), ROWS):
        chosen = by_length[start : start + ROWS]
        longest = len(clips[chosen[-1]])
        pcm = np.stack([np.pad(clips[i], (0, longest - len(clips[i]))) for i in chosen])
        latent = whole.encode_latent(mimi, torch.from_numpy(pcm)[:, None].to(device))
        told = mimi.quantizer.encode(latent, mimi.num_codebooks).cpu().numpy().astype(np.uint16)
        for row, i in enumerate(chosen):
            codes[i] = told[row, :, : len(clips[i]) // FRAME_SAMPLES]
    return codes


def whole_frames(samples: NDArray[np.float32], lead_frames: int = 0) -> NDArray[np.float32]:
    """The clip after `lead_frames` of silence, filled up with silence to whole frames."""
    lead = lead_frames * FRAME_SAMPLES
    frames = -(-len(samples) // FRAME_SAMPLES)
    padded = np.zeros(lead + frames * FRAME_SAMPLES, np.float32)
    padded[lead : lead + len(samples)] = samples
    return padded
