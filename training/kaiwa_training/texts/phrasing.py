"""Says a text as people do: with a word before it or after it that means nothing."""

import numpy as np

from kaiwa_training.texts.texts import Texts, words_of

OPENERS = (
    *("Hey,", "Hey Moshi,", "Moshi,", "Okay,", "Okay, so", "So,", "Well,", "Um,", "Er,", "Now,"),
    *("And", "But", "Right,", "Alright,", "Listen,", "Excuse me,", "Oh,", "Ah,", "Please,"),
    *("Hello,", "Hi,", "Hi Moshi,", "Just,", "Yes,", "No,", "Next question,", "Also,", "Then,"),
)
CLOSERS = (", please", ", Moshi", ", then", ", now", ", will you", ", okay", ", anyway")

OPENED, CLOSED = 0.3, 0.12
"""How often a text gets one."""

_KEPT = frozenset({"I", "I'm", "I'd", "I've", "I'll", "Moshi", "France", "English", "Paris"})


class Phrasing:
    """Varies the texts of training, but never into one that is held out."""

    def __init__(self, texts: Texts) -> None:
        held_out = [text for intent in texts.intents for text in intent.held_out]
        held_out += [*texts.other_held_out, *texts.sentences_held_out]
        self._held_out = {_bag(text) for text in held_out}

    def varied(self, text: str, rng: np.random.Generator) -> str:
        """The text, by chance with an opener or a closer."""
        said = text
        if rng.random() < OPENED:
            opener = str(rng.choice(OPENERS))
            if not set(words_of(opener)) & set(words_of(text)):
                first, _, rest = text.partition(" ")
                first = first if first in _KEPT else first[0].lower() + first[1:]
                said = f"{opener} {first} {rest}".strip()
        if rng.random() < CLOSED:
            closer = str(rng.choice(CLOSERS))
            if not set(words_of(closer.strip(", "))) & set(words_of(said)):
                said = f"{said[:-1]}{closer}{said[-1]}"
        return text if _bag(said) in self._held_out else said


def _bag(text: str) -> tuple[str, ...]:
    """A text's words in no order: one that is held out is not to be reordered either."""
    return tuple(sorted(words_of(text)))
