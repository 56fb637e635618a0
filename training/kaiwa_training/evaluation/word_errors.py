"""How far what was read is from what was said."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Spellings and contractions that sound alike, so that neither counts as an error.
_SAME = {
    "can't": "can not",
    "won't": "will not",
    "cannot": "can not",
    "goodbye": "good bye",
    "okay": "ok",
    "colour": "color",
    "favourite": "favorite",
}
_ENDINGS = {"n't": " not", "'m": " am", "'re": " are", "'ll": " will", "'ve": " have"}
_IS = re.compile(r"\b(it|that|what|there|here|he|she|who|where|how)'s\b")


@dataclass(frozen=True)
class WordErrors:
    """Words read wrongly (replaced, missing, added), of all that were said."""

    errors: int
    words: int

    @property
    def rate(self) -> float:
        """Errors for each word; NaN where nothing was said."""
        return self.errors / self.words if self.words else float("nan")


def word_errors(reference: str, heard: str) -> WordErrors:
    """Compares two sentences, whatever their case, punctuation, contractions and spelling."""
    said, read = normal_words(reference), normal_words(heard)
    return WordErrors(_distance(said, read), len(said))


def word_error_rate(reference: str, heard: str) -> float:
    """The share of the reference's words that were read wrongly; over 1 if more were added."""
    return word_errors(reference, heard).rate


def total(pairs: Iterable[tuple[str, str]]) -> WordErrors:
    """The errors of many (reference, heard) together."""
    counts = [word_errors(reference, heard) for reference, heard in pairs]
    return WordErrors(sum(c.errors for c in counts), sum(c.words for c in counts))


def normal_words(text: str) -> list[str]:
    """The words as they sound: lower case, without punctuation, contractions written out."""
    plain = _IS.sub(r"\1 is", text.lower().replace("-", " "))
    words = []
    for word in re.findall(r"[a-z0-9']+", plain):
        spelled = _SAME.get(word, word)
        for ending, full in _ENDINGS.items():
            if spelled.endswith(ending):
                spelled = spelled.removesuffix(ending) + full
        words += spelled.split()
    return words


def _distance(said: Sequence[str], read: Sequence[str]) -> int:
    """The fewest words to replace, leave out or add (Levenshtein, 1966)."""
    row = list(range(len(read) + 1))
    for number, word in enumerate(said, start=1):
        diagonal, row[0] = row[0], number
        for place, other in enumerate(read, start=1):
            replaced = diagonal + (word != other)
            diagonal = row[place]
            row[place] = min(replaced, row[place] + 1, row[place - 1] + 1)
    return row[-1]
