"""A toy world: every intent is a tune of semantic tokens, and every reply two or three words."""

from dataclasses import dataclass

import numpy as np
from kaiwa_training.lm.bank import GREETING, NOT_UNDERSTOOD, Reply, ReplyBank, text_stream
from kaiwa_training.lm.dialogues import Sounds
from kaiwa_training.lm.stores import BackgroundStore, QuestionStore
from kaiwa_training.lm.tokenizer import WordTokenizer, train_tokenizer

LEAD, TAIL = 0, 8
CALM = 2
"""The tokens below it are silence, the rest of a codebook is sound."""


@dataclass(frozen=True)
class ToyWorld:
    """So many intents, each asked in tunes of its own, in codebooks of this size."""

    intents: int = 3
    codebooks: int = 3
    codebook_size: int = 20
    tunes_each: int = 1
    notes: int = 5
    seed: int = 1

    @property
    def texts(self) -> list[str]:
        answers = [f"Answer{number} it is." for number in range(self.intents)]
        return [*answers, "Sorry, what?", "Hello, ask me."]

    def tokenizer(self) -> WordTokenizer:
        return train_tokenizer(self.texts)

    def bank(self) -> ReplyBank:
        """Each word is three frames long."""
        rng, tokenizer = np.random.default_rng(self.seed), self.tokenizer()
        names = [f"intent{i}" for i in range(self.intents)]
        replies = []
        for name, text in zip([*names, NOT_UNDERSTOOD, GREETING], self.texts, strict=True):
            words = tokenizer.tokens(text)
            frames = 3 * len(words)
            starts_s = [0.24 * i for i in range(len(words))]
            tokens = text_stream(words, starts_s, lead_frames=0, frames=frames)
            codes = rng.integers(CALM, self.codebook_size, (self.codebooks, frames))
            replies.append(Reply(name, text, codes.astype(np.uint16), tokens))
        return ReplyBank(tuple(replies))

    def silence(self, frames: int, rng: np.random.Generator) -> np.ndarray:
        return rng.integers(CALM, size=(self.codebooks, frames)).astype(np.uint16)

    def questions(self, count: int, seed: int) -> QuestionStore:
        """Tunes whose notes last one or two frames; one in four is not that of an intent."""
        rng = np.random.default_rng(seed)
        tunes = np.random.default_rng(self.seed).integers(
            CALM, self.codebook_size, (self.intents, self.tunes_each, self.notes)
        )
        clips, words, ends, intents = [], [], [], []
        for _ in range(count):
            intent = int(rng.integers(self.intents + 1 + self.intents // 3))
            if intent < self.intents:
                tune = tunes[intent, rng.integers(self.tunes_each)]
            else:
                tune = rng.integers(CALM, self.codebook_size, self.notes)
            sung = np.repeat(tune, rng.integers(1, 3, self.notes))
            codes = self.silence(LEAD + len(sung) + TAIL, rng)
            speech = slice(LEAD, LEAD + len(sung))
            codes[1:, speech] = rng.integers(
                CALM, self.codebook_size, (self.codebooks - 1, len(sung))
            )
            codes[0, speech] = sung
            clips.append(codes)
            spoken = np.full(codes.shape[1], -1, np.int16)
            spoken[speech] = sung
            words.append(spoken)
            ends.append(LEAD + len(sung) - 1)
            intents.append(f"intent{intent}" if intent < self.intents else NOT_UNDERSTOOD)
        lengths = np.array([clip.shape[1] for clip in clips])
        return QuestionStore(
            codes=np.concatenate(clips, axis=1),
            starts=np.cumsum(lengths) - lengths,
            lengths=lengths,
            intent=np.array(intents),
            speech_end_frame=np.array(ends),
            condition=np.zeros(count, np.int64),
            text=np.array(intents),
            voice=np.array(["toy"] * count),
            words=np.concatenate(words),
        )

    def backgrounds(self, count: int = 2, frames: int = 100) -> BackgroundStore:
        rng = np.random.default_rng(self.seed)
        return BackgroundStore(
            codes=self.silence(count * frames, rng),
            starts=np.arange(count) * frames,
            lengths=np.full(count, frames),
            condition=np.zeros(count, np.int64),
        )

    def sounds(self) -> Sounds:
        return Sounds(
            bank=self.bank(),
            silence=self.silence(40, np.random.default_rng(self.seed)),
            backgrounds=self.backgrounds(),
            noises=None,
            codebook_size=self.codebook_size,
        )
