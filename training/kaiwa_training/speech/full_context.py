"""Full-context labels, by which an HMM voice of English knows each phone and what is around it.

The format is that of the HTS working group's English demo (H. Zen, "An example of context-dependent
label format for HMM-based speech synthesis in English", 2006), with a part /K more: the phone's
place in its word.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeVar

NOTHING = "0"
"""The syllable, word and phrase of a pause."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Segment:
    """A phone, and the syllable, word and phrase that it is in, by any name that tells them apart.

    `guess` is festival's guess of the word's part of speech: a class of function words, or
    `content`.
    """

    phone: str
    phrase: str
    word: str
    syllable: str
    stressed: bool
    accented: bool
    guess: str

    @property
    def pauses(self) -> bool:
        """Whether nothing is said in it."""
        return self.syllable == NOTHING


@dataclass(eq=False)
class _Phrase:
    place: int
    words: list["_Word"] = field(default_factory=list)
    syllables: list["_Syllable"] = field(default_factory=list)


@dataclass(eq=False)
class _Word:
    place: int
    phrase: _Phrase
    guess: str
    syllables: list["_Syllable"] = field(default_factory=list)
    phones: int = 0


@dataclass(eq=False)
class _Syllable:
    place: int
    word: _Word
    stressed: bool
    accented: bool
    phones: list[str] = field(default_factory=list)

    @property
    def vowel(self) -> str:
        return next((phone for phone in self.phones if phone[0] in "aeiou"), "novowel")


class _Text:
    """All phrases, words and syllables of a text; each knows its place among its like."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.phrases: list[_Phrase] = []
        self.words: list[_Word] = []
        self.syllables: list[_Syllable] = []
        spoken = [segment for segment in segments if not segment.pauses]
        for _, in_phrase in groupby(spoken, key=lambda segment: segment.phrase):
            self.phrases.append(_Phrase(len(self.phrases)))
            for _, in_word in groupby(in_phrase, key=lambda segment: segment.word):
                self._add_word(list(in_word))

    def _add_word(self, segments: list[Segment]) -> None:
        phrase = self.phrases[-1]
        word = _Word(len(self.words), phrase, segments[0].guess, phones=len(segments))
        self.words.append(word)
        phrase.words.append(word)
        for _, part in groupby(segments, key=lambda segment: segment.syllable):
            first, *others = part
            syllable = _Syllable(len(self.syllables), word, first.stressed, first.accented)
            syllable.phones += [segment.phone for segment in (first, *others)]
            for known in (self.syllables, word.syllables, phrase.syllables):
                known.append(syllable)

    @property
    def label(self) -> str:
        return f"/J:{len(self.syllables)}+{len(self.words)}-{len(self.phrases)}"


def labels(segments: Sequence[Segment]) -> list[str]:
    """The label of each segment of an utterance."""
    text = _Text(segments)
    made: list[str] = []
    begun = 0  # syllables
    in_syllable, last = 0, NOTHING
    for place, segment in enumerate(segments):
        names = "{}^{}-{}+{}={}".format(*_around(segments, place))
        if segment.pauses:
            context = _of_pause(text, begun)
        else:
            if segment.syllable != last:
                begun, in_syllable = begun + 1, 0
            context = _of_phone(text, text.syllables[begun - 1], in_syllable)
            in_syllable += 1
        last = segment.syllable
        made.append(names + context)
    return made


def _around(segments: Sequence[Segment], place: int) -> list[str]:
    """Gives the phones from two before a place to two after it."""
    places = range(place - 2, place + 3)
    return [segments[i].phone if 0 <= i < len(segments) else "x" for i in places]


def _of_pause(text: _Text, begun: int) -> str:
    before, after = _get(text.syllables, begun - 1), _get(text.syllables, begun)
    return (
        f"@x_x/A:{_weight(before, '_')}"
        + "/B:x-x-x@x-x&x-x#x-x$x-x!x-x;x-x|x"
        + f"/C:{_weight(after, '+')}"
        + f"/D:{_kind(before.word if before else None)}"
        + "/E:x+x@x+x&x+x#x+x"
        + f"/F:{_kind(after.word if after else None)}"
        + f"/G:{_size(before.word.phrase if before else None, '_')}"
        + "/H:x=x^x=x|0"
        + f"/I:{_size(after.word.phrase if after else None, '=')}"
        + f"{text.label}/K:x_x"
    )


def _of_phone(text: _Text, syllable: _Syllable, place: int) -> str:
    word, phrase = syllable.word, syllable.word.phrase
    in_word = word.syllables.index(syllable)
    in_phrase = syllable.place - phrase.syllables[0].place
    word_in_phrase = word.place - phrase.words[0].place
    spelt = place + sum(len(part.phones) for part in word.syllables[:in_word])
    stressed = [part.stressed for part in phrase.syllables]
    accented = [part.accented for part in phrase.syllables]
    content = [part.guess == "content" for part in phrase.words]
    return (
        f"@{place + 1}_{len(syllable.phones) - place}"
        + f"/A:{_weight(_get(text.syllables, syllable.place - 1), '_')}"
        + f"/B:{_weight(syllable, '-')}"
        + f"@{in_word + 1}-{len(word.syllables) - in_word}"
        + f"&{in_phrase + 1}-{len(phrase.syllables) - in_phrase}"
        + "#{}-{}".format(*_counts(stressed, in_phrase))
        + "${}-{}".format(*_counts(accented, in_phrase))
        + "!{}-{}".format(*_distances(stressed, in_phrase))
        + ";{}-{}".format(*_distances(accented, in_phrase))
        + f"|{syllable.vowel}"
        + f"/C:{_weight(_get(text.syllables, syllable.place + 1), '+')}"
        + f"/D:{_kind(_get(text.words, word.place - 1))}"
        + f"/E:{word.guess}+{len(word.syllables)}"
        + f"@{word_in_phrase + 1}+{len(phrase.words) - word_in_phrase}"
        + f"&{1 + sum(content[:word_in_phrase])}+{sum(content[word_in_phrase + 1 :])}"
        + "#{}+{}".format(*_distances(content, word_in_phrase))
        + f"/F:{_kind(_get(text.words, word.place + 1))}"
        + f"/G:{_size(_get(text.phrases, phrase.place - 1), '_')}"
        + f"/H:{len(phrase.syllables)}={len(phrase.words)}"
        + f"^{phrase.place + 1}={len(text.phrases) - phrase.place}|L-L%"
        + f"/I:{_size(_get(text.phrases, phrase.place + 1), '=')}"
        + f"{text.label}/K:{spelt + 1}_{word.phones - spelt}"
    )


def _get(things: Sequence[_T], place: int) -> _T | None:
    return things[place] if 0 <= place < len(things) else None


def _weight(syllable: _Syllable | None, between: str) -> str:
    """Stress, accent and length."""
    if syllable is None:
        return between.join("000")
    parts = (int(syllable.stressed), int(syllable.accented), len(syllable.phones))
    return between.join(map(str, parts))


def _kind(word: _Word | None) -> str:
    return f"{word.guess}_{len(word.syllables)}" if word else "0_0"


def _size(phrase: _Phrase | None, between: str) -> str:
    return f"{len(phrase.syllables)}{between}{len(phrase.words)}" if phrase else f"0{between}0"


def _counts(marked: Sequence[bool], place: int) -> tuple[int, int]:
    """How many are marked before a place and after it, and one more."""
    return 1 + sum(marked[:place]), 1 + sum(marked[place + 1 :])


def _distances(marked: Sequence[bool], place: int) -> tuple[int, int]:
    """How far the nearest marked ones before and after a place are; 0 where there is none."""
    back = next((n for n in range(1, place + 1) if marked[place - n]), 0)
    ahead = next((n for n in range(1, len(marked) - place) if marked[place + n]), 0)
    return back, ahead
