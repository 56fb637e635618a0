"""Trains the decoder on what the finished encoder and codebooks make of clean speech."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from kaiwa_server.audio import FRAME_SAMPLES
from kaiwa_server.models.mimi import Mimi
from numpy.typing import NDArray
from torch import Tensor, nn

from kaiwa_training import checkpoints
from kaiwa_training.codec import whole
from kaiwa_training.schedule import learning_rate
from kaiwa_training.sound.mel import LogMel

RESOLUTIONS = ((256, 64, 40), (512, 128, 64), (1024, 256, 80), (2048, 512, 100))
"""Window, hop and bands of the spectra that are compared."""

WARM_UP_FRAMES = 4
"""Frames at a crop's start that do not count: in a session something came before them."""


@dataclass(frozen=True)
class Spoken:
    """A clip that was encoded: pcm float32 [1920 * T], codes [8, T]."""

    pcm: NDArray[np.float32]
    codes: NDArray[np.uint16]


@dataclass(frozen=True)
class DecoderPlan:
    """How long and how fast: on all speech, and then a while on what Moshi will say."""

    steps: int = 10000
    last_steps: int = 2500
    rows: int = 8
    frames: int = 20
    top_rate: float = 1e-3
    last_top_rate: float = 6e-4
    saved_every: int = 200
    seed: int = 2
    device: str = "cpu"

    @property
    def all_steps(self) -> int:
        """Those of both parts."""
        return self.steps + self.last_steps

    def rate(self, step: int) -> float:
        """How fast it learns at a step; each part rises and falls."""
        if step < self.steps:
            return learning_rate(step, top=self.top_rate, steps=self.steps)
        return learning_rate(step - self.steps, top=self.last_top_rate, steps=self.last_steps)


class Crops:
    """Random pieces of clips; of each batch a share is from the clips that matter most."""

    def __init__(self, pools: Sequence[tuple[Sequence[Spoken], int]], frames: int) -> None:
        self.pools, self.frames = pools, frames

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """codes [B, 8, T] and pcm [B, 1920 * T]."""
        pieces = [
            self._piece(pool[int(rng.integers(len(pool)))], rng)
            for pool, count in self.pools
            for _ in range(count)
        ]
        codes, pcm = (np.stack(part) for part in zip(*pieces, strict=True))
        return torch.from_numpy(codes.astype(np.int64)), torch.from_numpy(pcm)

    def _piece(self, clip: Spoken, rng: np.random.Generator) -> tuple[NDArray[np.generic], ...]:
        room = max(0, clip.codes.shape[1] - self.frames)
        start = int(rng.integers(room + 1))
        codes = clip.codes[:, start : start + self.frames]
        pcm = clip.pcm[start * FRAME_SAMPLES : (start + self.frames) * FRAME_SAMPLES]
        return codes, pcm


class SpectralLoss(nn.Module):
    """How different two sounds [B, n] are, over mel spectra of several resolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.mels = nn.ModuleList(
            LogMel(window=window, hop=hop, bands=bands) for window, hop, bands in RESOLUTIONS
        )

    def forward(self, made: Tensor, original: Tensor) -> Tensor:
        """The mean over resolutions of log-mel L1 and L2 differences."""
        losses = []
        for mel in self.mels:
            difference = mel(made) - mel(original)
            losses.append(difference.abs().mean() + difference.square().mean().sqrt())
        return torch.stack(losses).mean()


class DecoderTraining:
    """The decoder and its optimizer, and how they go one step on."""

    def __init__(self, mimi: Mimi, plan: DecoderPlan) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.mimi, self.step = plan, mimi.to(plan.device), 0
        self.parameters = list(
            chain(
                mimi.upsample.parameters(),
                mimi.decoder_transformer.parameters(),
                mimi.decoder.parameters(),
            )
        )
        for parameter in self.parameters:
            parameter.requires_grad_(True)  # a codec comes from its checkpoint for inference
        self.spectral = SpectralLoss().to(plan.device)
        self.optimizer = torch.optim.AdamW(self.parameters, betas=(0.8, 0.99))

    def train(self, codes: Tensor, pcm: Tensor) -> dict[str, float]:
        """Goes one step on with codes [B, 8, T] and pcm [B, 1920 * T]; gives the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate(self.step)
        codes, pcm = codes.to(self.plan.device), pcm.to(self.plan.device)
        with torch.no_grad():
            latent = self.mimi.quantizer.decode(codes)
        warm_up = WARM_UP_FRAMES * FRAME_SAMPLES
        made = whole.decode_latent(self.mimi, latent)[:, 0, warm_up:]
        loss = self.spectral(made, pcm[:, warm_up:])
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.step += 1
        return {"spectral": loss.item()}

    def state(self) -> dict[str, object]:
        """What a checkpoint keeps."""
        return {
            "step": self.step,
            "mimi": self.mimi.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def resume(self, state: dict[str, object]) -> None:
        """Goes on from a checkpoint."""
        self.step = state["step"]  # type: ignore[assignment]
        for name in ("mimi", "optimizer"):
            getattr(self, name).load_state_dict(state[name])


def train_decoder(
    mimi: Mimi,
    crops: Crops,
    last_crops: Crops,
    folder: Path,
    plan: DecoderPlan,
    show: Callable[[int, dict[str, float]], None],
) -> Path:
    """Trains to the plan's end, or goes on with what `folder` holds; gives the last checkpoint."""
    path, curve = folder / "decoder.pt", checkpoints.Curve(folder / "decoder.jsonl")
    training = DecoderTraining(mimi, plan)
    if (stored := checkpoints.load(path)) is not None:
        training.resume(stored)
    curve.keep_until(training.step)
    while training.step < plan.all_steps:
        chosen = crops if training.step < plan.steps else last_crops
        codes, pcm = chosen.batch(np.random.default_rng((plan.seed, training.step)))
        figures = training.train(codes, pcm)
        curve.add(training.step - 1, **figures)
        show(training.step, figures)
        if training.step % plan.saved_every == 0 or training.step == plan.all_steps:
            checkpoints.save(path, training.state())
    return path
