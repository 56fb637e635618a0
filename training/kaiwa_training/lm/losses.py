"""What the LM is trained for: its text, its voice, and two things it is to know while it listens.

The two auxiliary heads read the temporal transformer; they are not kept.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from kaiwa_server.models.lm_config import LmConfig
from torch import Tensor, nn

from kaiwa_training.lm.dialogues import SILENT, SPEAKING, UNKNOWN, Rows
from kaiwa_training.lm.network import TrainableLm
from kaiwa_training.lm.streams import NOT_WRITTEN, written_tokens
from kaiwa_training.lm.tokenizer import END_OF_PADDING


@dataclass(frozen=True)
class Material:
    """A batch on the device: `Rows`, what each step is to write, and the steps that speak [N].

    The depformer is trained on these steps alone; they are numbers in [0, B * T).
    """

    tokens: Tensor
    written: Tensor
    text_weights: Tensor
    replies: Tensor
    words: Tensor
    speaking: Tensor


def material(
    rows: Rows, config: LmConfig, spoken: float, silent: int, rng: np.random.Generator
) -> Material:
    """Makes tensors of rows and draws the share `spoken` of the steps that speak, some silent."""
    voice = rows.voice.reshape(-1)
    speaking, still = np.flatnonzero(voice == SPEAKING), np.flatnonzero(voice == SILENT)
    drawn = rng.choice(speaking, int(np.ceil(spoken * len(speaking))), replace=False)
    drawn_still = rng.choice(still, min(silent, len(still)), replace=False)
    tokens = torch.from_numpy(rows.tokens)
    return Material(
        tokens=tokens,
        written=written_tokens(tokens, config).transpose(1, 2).flatten(0, 1),  # [B * T, 1 + C]
        text_weights=torch.from_numpy(rows.text_weights).flatten(),
        replies=torch.from_numpy(rows.replies).flatten(),
        words=torch.from_numpy(rows.words).flatten(),
        speaking=torch.from_numpy(np.sort(np.concatenate((drawn, drawn_still)))),
    )


class ListeningHeads(nn.Module):
    """Which reply is due and which word was heard, from what the transformer makes of a step.

    With no words to tell apart nothing is learnt of them.
    """

    def __init__(self, dim: int, replies: int, words: int) -> None:
        super().__init__()
        self.reply = nn.Linear(dim, replies)
        self.word = nn.Linear(dim, words) if words else None


def losses(
    lm: TrainableLm, heads: ListeningHeads, batch: Material
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The losses, and shares of what is right among what counts most."""
    hidden = lm.hidden(batch.tokens).flatten(0, 1)  # [B * T, D]
    text_loss, first_words = _text(lm, hidden, batch)
    found = {"text": text_loss, "voice": _voice(lm, hidden, batch)}
    figures = {"first_words_right": first_words}
    labels = {"reply": (heads.reply, batch.replies), "word": (heads.word, batch.words)}
    for name, (head, label) in labels.items():
        known = label != UNKNOWN
        if head is not None and known.any():
            logits = head(hidden[known]).float()
            found[name] = F.cross_entropy(logits, label[known])
            figures[f"{name}_right"] = (logits.argmax(dim=-1) == label[known]).float().mean()
    return found, figures


def _text(lm: TrainableLm, hidden: Tensor, batch: Material) -> tuple[Tensor, Tensor]:
    """The weighted loss of the text, and the share that is right of the replies' first words."""
    counts = batch.text_weights > 0
    weights, target = batch.text_weights[counts], batch.written[counts, 0]
    logits = lm.text_linear(hidden[counts]).float()
    each = F.cross_entropy(logits, target, reduction="none")
    first = (weights == weights.max()) & (target != END_OF_PADDING)
    right = (logits[first].argmax(dim=-1) == target[first]).float().mean()
    return (weights * each).sum() / weights.sum(), right


def _voice(lm: TrainableLm, hidden: Tensor, batch: Material) -> Tensor:
    written = batch.written[batch.speaking]
    text, audio = written[:, 0], written[:, 1:]
    logits = lm.audio_logits(hidden[batch.speaking], text, audio).float()
    return F.cross_entropy(logits.flatten(0, 1), audio.flatten(), ignore_index=NOT_WRITTEN)
