"""Where each stage of the training leaves what the next one needs."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workplace:
    """The folder of one training; nothing in it is in the repository."""

    folder: Path

    @property
    def corpus(self) -> Path:
        """Every clip of every voice."""
        return self.folder / "corpus"

    @property
    def codec(self) -> Path:
        """Checkpoints and curves of the encoder and the decoder."""
        return self.folder / "codec"

    @property
    def encoder(self) -> Path:
        """The finished encoder."""
        return self.codec / "encoder.pt"

    @property
    def decoder(self) -> Path:
        """The finished codec."""
        return self.codec / "decoder.pt"

    @property
    def material(self) -> Path:
        """What the decoder is trained on."""
        return self.codec / "material.npz"

    @property
    def bank(self) -> Path:
        """The replies in tokens."""
        return self.folder / "lm" / "bank.npz"

    @property
    def tokenizer(self) -> Path:
        """The words of the replies."""
        return self.folder / "lm" / "tokenizer.model"

    @property
    def silence(self) -> Path:
        """Moshi's silence in tokens."""
        return self.folder / "lm" / "silence.npy"

    @property
    def hearing(self) -> Path:
        """Which of the user's tokens sound alike."""
        return self.folder / "lm" / "hearing.npz"

    @property
    def backgrounds(self) -> Path:
        """Silence and noises of the user's side in tokens."""
        return self.folder / "lm" / "backgrounds.npz"

    @property
    def questions(self) -> Path:
        """Questions in tokens, to train on."""
        return self.folder / "questions"

    @property
    def judged(self) -> Path:
        """Questions in tokens, to judge by."""
        return self.folder / "judged"

    @property
    def lm(self) -> Path:
        """Checkpoints and curves of the LM."""
        return self.folder / "lm"

    @property
    def model(self) -> Path:
        """The finished model, in Kyutai's layout."""
        return self.folder / "model"
