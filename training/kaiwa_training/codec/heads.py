"""Heads that exist while the encoder is trained, and make its first codebook phonetic.

They read quantized vectors only, so that what they can tell is in the tokens. Semantic tokens are
what Mimi distils from a self-supervised model (Défossez et al., 2024); here the voices are
synthetic and the phones, words and meanings are known.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LABELS_PER_FRAME = 2
IGNORED = -100
"""A label that says nothing."""


@dataclass(frozen=True)
class Labels:
    """What is known of a batch: phones [B, T, 2]; words [B, T], the one that ends in the frame, 0
    for none; meaning [B, T], known once the sentence is over. IGNORED where nothing is known."""

    phones: Tensor
    words: Tensor
    meaning: Tensor

    def to(self, device: str) -> "Labels":
        """The same on a device."""
        return Labels(*(part.to(device) for part in (self.phones, self.words, self.meaning)))


class PhoneticHeads(nn.Module):
    """Phones from single frames, words and meaning from all frames so far."""

    def __init__(self, *, dimension: int, phones: int, words: int, meanings: int) -> None:
        super().__init__()
        self.phone = nn.Linear(dimension, LABELS_PER_FRAME * phones)
        self.phone_of_both = nn.Sequential(
            nn.Linear(2 * dimension, 256), nn.GELU(), nn.Linear(256, LABELS_PER_FRAME * phones)
        )
        self.listen = nn.GRU(2 * dimension, 256, batch_first=True)
        self.word = nn.Linear(256, words)
        self.meaning = nn.Linear(256, meanings)

    def losses(
        self,
        semantic: Tensor,
        acoustic: Tensor,
        labels: Labels,
        chance: torch.Generator | None = None,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The losses of chosen entries [B, T, D] of both first codebooks, and meanings [B, T, I].

        By `chance` the second codebook is missing half of the time, so that the first learns to do
        alone; without it, it is always there.
        """
        heard_of = acoustic
        if chance is not None:
            kept = torch.rand(len(acoustic), 1, 1, generator=chance) < 0.5
            heard_of = acoustic * kept.to(acoustic.device)
        heard, _ = self.listen(torch.cat((semantic, heard_of), dim=-1))
        meaning = self.meaning(heard)
        found = {
            "phone": self._phone_loss(self.phone(semantic), labels),
            "phone_of_both": self._phone_loss(
                self.phone_of_both(torch.cat((semantic, acoustic), dim=-1)), labels
            ),
            "word": self._word_loss(self.word(heard), labels),
            "meaning": cross_entropy(meaning, labels.meaning),
        }
        return found, meaning

    def phone_accuracy(self, semantic: Tensor, labels: Labels) -> Tensor:
        """The share of phone labels that single semantic entries tell."""
        logits: Tensor = self.phone(semantic)
        told = _by_label(logits).argmax(dim=-1)
        known = labels.phones != IGNORED
        return (told == labels.phones)[known].float().mean()

    def _phone_loss(self, logits: Tensor, labels: Labels) -> Tensor:
        return cross_entropy(_by_label(logits), labels.phones)

    def _word_loss(self, logits: Tensor, labels: Labels) -> Tensor:
        ends = torch.where(labels.words > 0, labels.words, IGNORED)
        none = torch.where(labels.words == 0, labels.words, IGNORED)
        return cross_entropy(logits, ends) + 0.2 * cross_entropy(logits, none)


def _by_label(logits: Tensor) -> Tensor:
    return logits.view(*logits.shape[:-1], LABELS_PER_FRAME, -1)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean over known labels; 0 where none is known."""
    total = F.cross_entropy(
        logits.flatten(0, -2), labels.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return total / (labels != IGNORED).sum().clamp(min=1)
