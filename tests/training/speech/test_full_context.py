"""A label says where its phone is and what is around it, counted as the format counts."""

import pytest
from kaiwa_training.speech.full_context import NOTHING, Segment, labels

PAUSE = Segment("pau", NOTHING, NOTHING, NOTHING, False, False, "0")


def word(spelling: str, phrase: str, guess: str, accented: bool = False) -> list[Segment]:
    """A word by its syllables, `hh ax.l ow'`; a stressed one ends with an apostrophe."""
    return [
        Segment(
            *(phone.rstrip("'"), phrase, spelling, syllable),
            *(syllable.endswith("'"), accented and syllable.endswith("'"), guess),
        )
        for syllable in spelling.split(".")
        for phone in syllable.split()
    ]


# "Hello there, you": two phrases, the second of one word.
SAID = [
    PAUSE,
    *word("hh ax.l ow'", "one", "content", accented=True),
    *word("dh eh r'", "one", "content"),
    PAUSE,
    *word("y uw", "two", "pps"),
    PAUSE,
]


@pytest.fixture(scope="module")
def said() -> list[str]:
    return labels(SAID)


def part(label: str, first: str, then: str) -> str:
    return label.split(first, 1)[1].split(then, 1)[0]


def test_every_segment_has_a_label_with_the_phones_around_it(said: list[str]) -> None:
    assert len(said) == len(SAID)
    assert said[0].startswith("x^x-pau+hh=ax@")
    assert said[3].startswith("hh^ax-l+ow=dh@")
    assert said[-1].startswith("y^uw-pau+x=x@")


def test_a_phone_s_place_is_counted_from_both_ends(said: list[str]) -> None:
    l_of_hello = said[3]
    assert part(l_of_hello, "@", "/A") == "1_2"  # of its syllable
    assert l_of_hello.endswith("/K:3_2")  # of its word


def test_a_syllable_has_stress_accent_and_length_and_its_places(said: list[str]) -> None:
    assert part(said[3], "/A:", "/B") == "0_0_2"
    assert part(said[3], "/B:", "|") == "1-1-2@2-1&2-2#1-2$1-1!0-1;0-0"
    assert part(said[3], "|", "/C") == "ow"
    assert part(said[3], "/C:", "/D") == "1+0+3"


def test_a_word_has_its_class_and_its_places(said: list[str]) -> None:
    of_there = said[5]
    assert part(of_there, "/D:", "/E") == "content_2"
    assert part(of_there, "/E:", "/F") == "content+1@2+1&2+0#1+0"
    assert part(of_there, "/F:", "/G") == "pps_1"


def test_a_phrase_has_its_size_and_those_of_its_neighbours(said: list[str]) -> None:
    assert part(said[5], "/G:", "/J") == "0_0/H:3=2^1=2|L-L%/I:1=1"
    assert part(said[-2], "/G:", "/J") == "3_2/H:1=1^2=1|L-L%/I:0=0"


def test_every_label_has_the_size_of_the_utterance(said: list[str]) -> None:
    assert {part(label, "/J:", "/K") for label in said} == {"4+3-2"}


def test_a_pause_is_nowhere_and_knows_what_is_before_and_after(said: list[str]) -> None:
    between = said[8]
    assert between.startswith("eh^r-pau+y=uw@x_x/A:1_0_3/B:x-")
    assert part(between, "/C:", "/E") == "0+0+2/D:content_1"
    assert part(between, "/F:", "/J") == "pps_1/G:3_2/H:x=x^x=x|0/I:1=1"
    assert between.endswith("/K:x_x")


def test_before_the_first_word_and_after_the_last_there_is_nothing(said: list[str]) -> None:
    assert part(said[0], "/A:", "/B") == "0_0_0"
    assert part(said[0], "/G:", "/H") == "0_0"
    assert part(said[-1], "/C:", "/D") == "0+0+0"
    assert part(said[-1], "/F:", "/G") == "0_0"
