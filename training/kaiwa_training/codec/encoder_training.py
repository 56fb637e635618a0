"""Trains the encoder and the codebooks: tokens that say which phones were spoken, and how.

The decoder takes no part: a small head predicts mel spectra from the quantized latent, so that the
acoustic codebooks learn what a decoder will need, at a tenth of its cost.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch
from kaiwa_server.models.mimi import Mimi
from torch import Tensor, nn
from torch.utils.data import DataLoader

from kaiwa_training import checkpoints
from kaiwa_training.codec import whole
from kaiwa_training.codec.batches import Batch, Batches, Mix
from kaiwa_training.codec.heads import IGNORED, PhoneticHeads
from kaiwa_training.codec.quantization import Learning, fit, register
from kaiwa_training.codec.shape import DEMO_MIMI
from kaiwa_training.codec.start import scale_encoder
from kaiwa_training.schedule import learning_rate
from kaiwa_training.sound.mel import LogMel
from kaiwa_training.speech.clips import meanings_of
from kaiwa_training.speech.corpus import Corpus
from kaiwa_training.speech.phones import PHONES
from kaiwa_training.speech.plan import Kind

MEL_BANDS = 64
MELS_PER_FRAME = 4
FRONT_MODULES = 4
"""SEANet's modules up to 6 kHz, which stop learning first."""

ROWS_AT_ONCE = 4
"""Rows that go through the convolutions together: 16 do not fit a processor's caches."""

FITTED_BATCHES = 40
"""What the codebooks are first put on."""

TRAINING_MIX = Mix(
    rows=(
        ((Kind.TRAINING_QUESTION,), 11),
        ((Kind.TRAINING_SENTENCE,), 2),
        ((Kind.MOSHI_REPLY, Kind.MOSHI_SENTENCE), 3),
    ),
    frames=26,
    hard=0.5,
)
JUDGED = {
    "phrase": Kind.HELD_OUT_PHRASING,
    "voice": Kind.HELD_OUT_VOICE,
    "both": Kind.HELD_OUT_BOTH,
}
"""Sets that are not trained on, and the corpus' kinds of them."""

WEIGHTS = {
    "phone": 1.0,
    "phone_of_both": 0.5,
    "word": 0.5,
    "meaning": 0.4,
    "mel": 3.0,
    "distance": 0.3,
}


@dataclass(frozen=True)
class EncoderPlan:
    """How long, how fast and from where."""

    steps: int = 13000
    top_rate: float = 1.2e-3
    quantized_from: int = 9800
    front_until: int = 1600
    judged_every: int = 500
    saved_every: int = 100
    seed: int = 1
    device: str = "cpu"


class MelHead(nn.Sequential):
    """Mel spectra [B, bands, mels per frame * T] from a latent [B, C, T]; not kept."""

    def __init__(self, latent: int) -> None:
        super().__init__(
            nn.Conv1d(latent, 256, 3, padding=1),
            nn.GELU(),
            nn.Conv1d(256, MEL_BANDS * MELS_PER_FRAME, 3, padding=1),
            nn.Unflatten(1, (MEL_BANDS, MELS_PER_FRAME)),
        )

    def forward(self, latent: Tensor) -> Tensor:
        mels: Tensor = super().forward(latent)  # type: ignore[no-untyped-call]  # [B, bands, mels per frame, T]
        return mels.transpose(2, 3).flatten(2)


class EncoderTraining:
    """The encoder, its heads and the optimizer, and how they go one step on."""

    def __init__(self, corpus: Corpus, plan: EncoderPlan) -> None:
        torch.manual_seed(plan.seed)
        self.plan = plan
        self.mimi = Mimi(DEMO_MIMI).to(plan.device)
        self.heads = PhoneticHeads(
            dimension=DEMO_MIMI.quantizer.dimension,
            phones=len(PHONES),
            words=len(corpus.vocabulary) + 1,
            meanings=int(meanings_of(corpus).max()) + 1,
        ).to(plan.device)
        self.mel_head = MelHead(DEMO_MIMI.seanet.dimension).to(plan.device)
        self.log_mel = LogMel(window=960, hop=480, bands=MEL_BANDS).to(plan.device)
        generator = torch.Generator().manual_seed(plan.seed)
        self.generator = generator
        self.semantic = Learning(self.mimi.quantizer.rvq_first, generator)
        self.acoustic = Learning(self.mimi.quantizer.rvq_rest, generator)
        self.parameters = list(
            chain(
                self.mimi.encoder.parameters(),
                self.mimi.encoder_transformer.parameters(),
                self.mimi.downsample.parameters(),
                self.mimi.quantizer.parameters(),
                self.heads.parameters(),
                self.mel_head.parameters(),
            )
        )
        self.optimizer = torch.optim.AdamW(self.parameters, betas=(0.9, 0.98), weight_decay=0.01)
        self.step = 0

    def train(self, batch: Batch) -> dict[str, float]:
        """Goes one step on; gives the losses."""
        rate = learning_rate(self.step, top=self.plan.top_rate, steps=self.plan.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._take_chances_of_step()
        losses, _, _ = self.losses(batch.to(self.plan.device), learn=True)
        total = torch.stack([WEIGHTS[name] * loss for name, loss in losses.items()]).sum()
        self.optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.step += 1
        return {name: loss.item() for name, loss in losses.items()}

    def losses(self, batch: Batch, *, learn: bool) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """The losses, the meanings [B, T, I] that the heads hear, and the semantic entries.

        The batch is on the training's device.
        """
        frozen = FRONT_MODULES if self.step >= self.plan.front_until else 0
        # In pieces that fit the processor's caches.
        pieces = [
            whole.encode_latent(self.mimi, piece, frozen=frozen)
            for piece in torch.split(batch.heard, ROWS_AT_ONCE)
        ]
        latent = torch.cat(pieces)  # [B, C, T]
        if self.step < self.plan.quantized_from:
            semantic, acoustic, back, distance = self._pass(latent)
        else:
            (semantic,), first_back, first_distance = self.semantic.quantize(latent, learn=learn)
            (acoustic, *_), rest_back, distance = self.acoustic.quantize(latent, learn=learn)
            back, distance = first_back + rest_back, distance + first_distance
        chance = self.generator if learn else None
        losses, meaning = self.heads.losses(semantic, acoustic, batch.labels, chance)
        target = self.log_mel(batch.clean)
        losses["mel"] = (self.mel_head(back) - target).abs().mean()
        losses["distance"] = distance
        return losses, meaning, semantic

    def _pass(self, latent: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Like the quantizers, before there are codebooks."""
        first, rest = self.mimi.quantizer.rvq_first, self.mimi.quantizer.rvq_rest
        semantic, acoustic = first.input_proj(latent), rest.input_proj(latent)
        back = first.output_proj(semantic) + rest.output_proj(acoustic)
        return semantic.mT, acoustic.mT, back, latent.new_zeros(())

    @torch.no_grad()
    def fit_codebooks(self, batches: list[Batch]) -> None:
        """Puts all codebooks on the clusters of what the encoder makes of some batches."""
        self._take_chances_of_step()
        heard = [batch.heard.to(self.plan.device) for batch in batches]
        latent = torch.cat([whole.encode_latent(self.mimi, pcm) for pcm in heard])
        for learning in (self.semantic, self.acoustic):
            vectors = learning.quantizer.input_proj(latent).transpose(1, 2).flatten(0, 1)
            fit(learning.quantizer.codebooks, vectors, self.generator, rounds=12)

    @torch.no_grad()
    def judge(self, batches: list[Batch]) -> dict[str, float]:
        """Shares of phones and of meanings that are right, on batches that are not trained on."""
        phones, right, asked = 0.0, 0, 0
        for batch in (batch.to(self.plan.device) for batch in batches):
            _, meaning, semantic = self.losses(batch, learn=False)
            phones += self.heads.phone_accuracy(semantic, batch.labels).item() / len(batches)
            labels = batch.labels.meaning[:, -1]
            known = labels != IGNORED
            right += int((meaning[:, -1].argmax(dim=-1) == labels)[known].sum())
            asked += int(known.sum())
        return {"phone_accuracy": phones, "meaning_accuracy": right / max(asked, 1)}

    def _take_chances_of_step(self) -> None:
        """Lets chance depend on seed and step alone, so that a stopped run goes on as it would."""
        self.generator.manual_seed(self.plan.seed * 1_000_003 + self.step)

    def state(self) -> dict[str, object]:
        """What a checkpoint keeps; no generator's state, as none outlives a step."""
        return {
            "step": self.step,
            "mimi": self.mimi.state_dict(),
            "heads": self.heads.state_dict(),
            "mel_head": self.mel_head.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def resume(self, state: dict[str, object]) -> None:
        """Goes on from a checkpoint."""
        self.step = state["step"]  # type: ignore[assignment]
        for name in ("mimi", "heads", "mel_head", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        register(self.mimi.quantizer)


def train_encoder(
    corpus: Corpus, folder: Path, plan: EncoderPlan, show: Callable[[int, dict[str, float]], None]
) -> Path:
    """Trains to the plan's end, or goes on with what `folder` holds; gives the last checkpoint."""
    path, curve = folder / "encoder.pt", checkpoints.Curve(folder / "encoder.jsonl")
    training = EncoderTraining(corpus, plan)
    batches = Batches(corpus, TRAINING_MIX, seed=plan.seed, start=0, stop=plan.steps)
    if (stored := checkpoints.load(path)) is not None:
        training.resume(stored)
    else:
        scale_encoder(training.mimi, batches.batch(plan.steps).heard.to(plan.device))
    curve.keep_until(training.step)
    judged = _judged_batches(corpus, plan.seed)
    batches.start = training.step
    for batch in DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=6):
        if training.step == plan.quantized_from:
            fitted = [batches.batch(plan.steps + i) for i in range(FITTED_BATCHES)]
            training.fit_codebooks(fitted)
        figures = training.train(batch)
        if training.step % plan.judged_every == 0:
            for name, some in judged.items():
                found = training.judge(some)
                figures |= {f"{name}_{figure}": value for figure, value in found.items()}
        curve.add(training.step - 1, **figures)
        show(training.step, figures)
        if training.step % plan.saved_every == 0 or training.step == plan.steps:
            checkpoints.save(path, training.state())
    return path


def _judged_batches(corpus: Corpus, seed: int) -> dict[str, list[Batch]]:
    return {
        name: [
            Batches(
                corpus,
                Mix(rows=(((kind,), 16),), frames=44, hard=0.5, warped=False),
                seed=seed,
                start=0,
                stop=1,
            ).batch(i)
            for i in range(6)
        ]
        for name, kind in JUDGED.items()
    }
