"""The reference Mimi with random weights, speech-like sound for it, and how to compare with it."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from kaiwa_server.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from kaiwa_server.models.mimi import Mimi
from moshi.models import MimiModel, loaders
from moshi.quantization.core_vq import EuclideanCodebook
from torch import Tensor

NEAR_TIE = 1e-5
"""Two squared distances that differ by less than this share of them are a tie in fp32."""


@dataclass
class Parity:
    """What a comparison of tokens and sound found."""

    tokens: int
    differing: int
    fewest_distinct: int
    excused: int = 0
    sound_error: float = 0.0

    def record(self, name: str, record_property: Any) -> None:
        """Puts the figures where `pytest -s` shows them, and a JUnit report of xunit1."""
        record_property(name, json.dumps(asdict(self)))
        print(
            f"\n{name}: {self.tokens} tokens compared, {self.differing} differ, of these"
            f" {self.excused} by a near tie; {self.fewest_distinct} or more distinct tokens in"
            f" each codebook; sound within {self.sound_error:.1e}"
        )


@torch.no_grad()
def random_mimi(seed: int) -> MimiModel:
    """The full-size reference with weights that keep the latents and tokens diverse."""
    mimi = loaders.get_mimi(None, num_codebooks=8)
    generator = torch.Generator().manual_seed(seed)
    for name, weight in mimi.named_parameters():
        if name.endswith((".norm1.weight", ".norm2.weight")):
            weight.uniform_(0.7, 1.3, generator=generator)
        elif name.endswith(".scale"):
            weight.uniform_(0.1, 0.3, generator=generator)
        elif name.endswith(".bias"):
            weight.normal_(0.0, 0.02, generator=generator)
        else:
            weight.normal_(
                0.0, (1.5 / _inputs_of_an_output(name, weight)) ** 0.5, generator=generator
            )
    mimi.decoder.model[-1].conv.conv.weight.mul_(0.05)  # the loudness of speech
    for codebook in mimi.modules():
        if isinstance(codebook, EuclideanCodebook):
            usage = codebook.cluster_usage.uniform_(0.1, 50.0, generator=generator)
            codebook.embedding_sum.normal_(0.0, 0.5, generator=generator).mul_(usage[:, None])
    return mimi


def _inputs_of_an_output(name: str, weight: Tensor) -> int:
    if "convtr" not in name:
        return weight[0].numel()
    inputs = 1 if name.startswith("upsample") else weight.shape[0]
    return 2 * inputs  # a kernel of two strides: two inputs in time reach an output


def speech_like(frames: int, seed: int) -> Tensor:
    """Voiced, hissed and silent pieces of 60 to 300 ms, one after the other: [1, 1, 1920 * T]."""
    rng = np.random.default_rng(seed)
    sound = np.zeros(frames * FRAME_SAMPLES)
    at = 0
    while at < len(sound):
        piece = sound[at : at + int(rng.uniform(0.06, 0.3) * SAMPLE_RATE_HZ)]
        piece += np.hanning(len(piece)) * rng.uniform(0.05, 0.8) * _piece(rng, len(piece))
        at += len(piece)
    return torch.from_numpy(sound.astype(np.float32))[None, None].clamp(-1.0, 1.0)


def _piece(rng: np.random.Generator, samples: int) -> Any:
    kind = rng.choice(["voice", "hiss", "silence"], p=[0.6, 0.2, 0.2])
    if kind == "voice":
        pitch_hz = rng.uniform(90, 250) * np.linspace(1.0, rng.uniform(0.7, 1.3), samples)
        phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
        harmonics = np.arange(1, 25)[:, None]
        loudness = rng.uniform(0.0, 0.3, (24, 1)) / np.sqrt(harmonics)
        return np.sum(loudness * np.sin(harmonics * phase), axis=0)
    return 0.3 * rng.standard_normal(samples) * (kind == "hiss")


@torch.inference_mode()
def stream_reference(mimi: MimiModel, sound: Tensor) -> tuple[Tensor, Tensor]:
    """One session alone, frame by frame: codes [K, T] and the sound [1920 * T] of these codes."""
    codes, decoded = [], []
    with mimi.streaming(1):
        for pcm in sound.split(FRAME_SAMPLES, dim=-1):
            codes.append(mimi.encode(pcm).clone())
            decoded.append(mimi.decode(codes[-1]).clone())
    return torch.cat(codes, dim=-1)[0], torch.cat(decoded, dim=-1)[0, 0]


def compare_codes(mimi: Mimi, latents: Tensor, codes: Tensor, expected: Tensor) -> Parity:
    """Compares our codes [K, T], made of our latents [C, T], with the expected ones.

    A differing token is excused when our two distances tie, and then so are those that follow it
    in the same half of the quantizer.
    """
    found = Parity(
        tokens=codes.numel(),
        differing=int((codes != expected).sum()),
        fewest_distinct=min(len(set(row)) for row in expected.tolist()),
    )
    halves = ((mimi.quantizer.rvq_first, slice(0, 1)), (mimi.quantizer.rvq_rest, slice(1, None)))
    for half, levels in halves:
        for frame in (codes[levels] != expected[levels]).any(dim=0).nonzero()[:, 0].tolist():
            rest = half.input_proj(latents[None, :, frame, None])[0, :, 0]
            pairs = zip(
                codes[levels, frame].tolist(), expected[levels, frame].tolist(), strict=True
            )
            tied = False
            for codebook, (ours, theirs) in zip(half.codebooks, pairs, strict=False):
                near, far = ((rest - codebook.entries[t]).square().sum() for t in (ours, theirs))
                tied = tied or bool(ours != theirs and (far - near).abs() <= NEAR_TIE * far)
                found.excused += ours != theirs and tied
                rest = rest - codebook.entries[ours]
    return found
