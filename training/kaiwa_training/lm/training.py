"""Trains the LM on conversations, while new encodings of questions come in beside it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from kaiwa_server.models.lm_config import LmConfig
from torch import nn

from kaiwa_training import checkpoints
from kaiwa_training.lm.dialogues import DialoguePlan, Dialogues, Sounds
from kaiwa_training.lm.hearing import Hearing
from kaiwa_training.lm.incoming import IncomingQuestions
from kaiwa_training.lm.losses import ListeningHeads, Material, losses, material
from kaiwa_training.lm.network import TrainableLm
from kaiwa_training.schedule import learning_rate

CHECKPOINT_NAME, CURVE_NAME = "lm.pt", "lm.jsonl"

LOSS_WEIGHTS = {"text": 1.0, "voice": 1.0, "reply": 0.5, "word": 0.3}


@dataclass(frozen=True)
class LmPlan:
    """How long and how fast, on what, and how rows are made.

    The depformer is trained on the share `spoken` of the steps in which Moshi speaks, and on
    `silent` others. Of the user's codebooks `heard` are. `words` is how many words the questions'
    numbers tell apart, `fresh_every` after how many steps it looks for new questions. `bf16` is for
    hardware that has it; elsewhere it is ten times slower.
    """

    steps: int = 6400
    rows: int = 16
    top_rate: float = 2e-3
    warm_up: int = 150
    weight_decay: float = 0.05
    greatest_gradient: float = 1.0
    spoken: float = 0.125
    silent: int = 32
    heard: tuple[int, ...] = (0, 1)
    words: int = 0
    fresh_every: int = 20
    saved_every: int = 100
    seed: int = 1
    device: str = "cpu"
    bf16: bool = False
    dialogues: DialoguePlan = field(default_factory=DialoguePlan)


class LmTraining:
    """The LM, its auxiliary heads and the optimizer, and how they go one step on."""

    def __init__(self, config: LmConfig, replies: int, plan: LmPlan) -> None:
        torch.manual_seed(plan.seed)
        self.plan = plan
        self.lm = TrainableLm(config, plan.heard)
        self.heads = ListeningHeads(config.temporal.dim, replies, plan.words)
        self._modules = nn.ModuleList((self.lm, self.heads)).to(plan.device)
        self.parameters = [w for w in self._modules.parameters() if w.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [w for w in self.parameters if w.ndim == 2]},
            {"params": [w for w in self.parameters if w.ndim != 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=plan.top_rate,
            betas=(0.9, 0.95),
            weight_decay=plan.weight_decay,
            fused=True,
        )
        self.step = 0

    def batch(self, dialogues: Dialogues) -> Material:
        """The batch of the next step: of these dialogues it depends on seed and step alone."""
        plan, rng = self.plan, np.random.default_rng((self.plan.seed, self.step))
        rows = dialogues.batch(plan.rows, rng)
        made = material(rows, self.lm.config, plan.spoken, plan.silent, rng)
        return Material(*(getattr(made, f.name).to(plan.device) for f in fields(made)))

    def train(self, batch: Material) -> dict[str, float]:
        """Goes one step on; gives the losses and what was right."""
        plan = self.plan
        rate = learning_rate(self.step, top=plan.top_rate, steps=plan.steps, warm_up=plan.warm_up)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with self._precision():
            found, figures = losses(self.lm, self.heads, batch)
        total = torch.stack([LOSS_WEIGHTS[name] * loss for name, loss in found.items()]).sum()
        self.optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, plan.greatest_gradient)
        self.optimizer.step()
        self.step += 1
        return {name: figure.item() for name, figure in (found | figures).items()}

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps; no generator's state, as none outlives a step."""
        return {
            "step": self.step,
            "lm": self.lm.state_dict(),
            "heads": self.heads.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on from a checkpoint."""
        self.step = state["step"]
        self.lm.load_state_dict(state["lm"])
        self.heads.load_state_dict(state["heads"])
        self.optimizer.load_state_dict(state["optimizer"])

    def _precision(self) -> AbstractContextManager[object]:
        if not self.plan.bf16:
            return nullcontext()
        return torch.autocast(torch.device(self.plan.device).type, dtype=torch.bfloat16)


def train_lm(
    config: LmConfig,
    sounds: Sounds,
    questions_folder: Path,
    folder: Path,
    plan: LmPlan,
    show: Callable[[int, dict[str, float]], None],
    hearing: Hearing | None = None,
) -> Path:
    """Trains to the plan's end, or goes on with what `folder` holds; gives the last checkpoint.

    `hearing` is what is known of the user's tokens before it begins.

    Raises:
        FileNotFoundError: there are no questions yet.
        ValueError: questions know more words than the plan.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, curve = folder / CHECKPOINT_NAME, checkpoints.Curve(folder / CURVE_NAME)
    training = LmTraining(config, len(sounds.bank.replies), plan)
    if (stored := checkpoints.load(path)) is not None:
        training.resume(stored)
    elif hearing is not None:
        hearing.begin(training.lm)
    curve.keep_until(training.step)
    questions = IncomingQuestions(questions_folder, plan.words)
    dialogues = Dialogues(questions.look(), sounds, plan.dialogues)
    while training.step < plan.steps:
        if training.step % plan.fresh_every == 0 and questions.more:
            dialogues = Dialogues(questions.look(), sounds, plan.dialogues)
        figures = training.train(training.batch(dialogues))
        figures["questions"] = len(dialogues.pool.store)
        curve.add(training.step - 1, **figures)
        show(training.step, figures)
        if training.step % plan.saved_every == 0 or training.step == plan.steps:
            checkpoints.save(path, training.state())
    return path


def trained_lm(path: Path, config: LmConfig) -> TrainableLm:
    """The LM of a checkpoint, without what only its training needed."""
    stored = checkpoints.load(path)
    if stored is None:
        raise FileNotFoundError(f"{path}: expected a training's checkpoint, found none")
    lm = TrainableLm(config)
    lm.load_state_dict(stored["lm"])
    return lm
