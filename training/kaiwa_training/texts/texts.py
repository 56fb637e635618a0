"""What the demo model is trained to hear and to say, read from the YAML files beside this one."""

from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml


@dataclass(frozen=True)
class Intent:
    """One question with its one reply, and the ways in which people ask it."""

    name: str
    reply: str
    asked: tuple[str, ...]
    held_out: tuple[str, ...]


@dataclass(frozen=True)
class Foreign:
    """A sentence in another language, under espeak-ng's name for the language."""

    language: str
    text: str


@dataclass(frozen=True)
class Texts:
    """All texts. Those that are `held_out` never appear in training."""

    greeting: str
    not_understood: str
    intents: tuple[Intent, ...]
    other: tuple[str, ...]
    other_held_out: tuple[str, ...]
    sentences: tuple[str, ...]
    sentences_held_out: tuple[str, ...]
    foreign: tuple[Foreign, ...]

    def replies(self) -> tuple[str, ...]:
        """Everything Moshi says: each intent's reply, then `not_understood`, then `greeting`.

        So reply i answers intent i, and reply `len(intents)` answers anything else.
        """
        return (*(intent.reply for intent in self.intents), self.not_understood, self.greeting)


def load_texts() -> Texts:
    """Gives the texts of the demo."""
    questions = _read("questions.yaml")
    other = _read("other.yaml")
    sentences = _read("sentences.yaml")
    return Texts(
        greeting=questions["greeting"],
        not_understood=questions["not_understood"],
        intents=tuple(
            Intent(i["name"], i["reply"], tuple(i["asked"]), tuple(i["held_out"]))
            for i in questions["intents"]
        ),
        other=tuple(other["other"]),
        other_held_out=tuple(other["other_held_out"]),
        sentences=tuple(sentences["sentences"]),
        sentences_held_out=tuple(sentences["sentences_held_out"]),
        foreign=tuple(
            Foreign(language, text) for language, told in other["foreign"].items() for text in told
        ),
    )


def words_of(text: str) -> tuple[str, ...]:
    """Gives the words as they sound alike: lower case, without punctuation.

    There is one for each of `text.split()`, so that a word's place in the text finds both.
    """
    return tuple(word.strip(".,?!").lower() for word in text.split())


def _read(name: str) -> dict[str, Any]:
    text = (resources.files(__package__) / name).read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content
