"""A caller reacts to what it hears, packet by packet."""

import numpy as np
from kaiwa.cli.sound import PACKET_SAMPLES, Samples
from kaiwa.events import Text
from kaiwa_training.evaluation.caller import Caller, Turn, once_answered, while_it_speaks

QUESTION = np.full(2 * PACKET_SAMPLES + 7, 0.5, np.float32)


def word(text: str, at_s: float) -> Text:
    return Text(text, True, round(at_s / 0.08), round(at_s * 1000))


def call(caller: Caller, words: list[tuple[str, float]]) -> Samples:
    """All the caller says while Moshi says these words, each at its time."""
    sound = []
    for number, packet in enumerate(caller.packets()):
        sound.append(packet)
        for text, at_s in words:
            if number == round(at_s / 0.02):
                caller.hear(word(text, at_s))
    return np.concatenate(sound)


def test_it_is_silent_while_it_is_greeted() -> None:
    sound = call(Caller([Turn(QUESTION, once_answered)], lead_s=1.0), [])
    assert not sound[:24_000].any()
    assert np.array_equal(sound[24_000 : 24_000 + len(QUESTION)], QUESTION)


def test_it_hangs_up_when_no_answer_comes_for_six_seconds() -> None:
    caller = Caller([Turn(QUESTION, once_answered)], lead_s=0)
    call(caller, [])
    assert 6.0 <= caller._now_s - caller.asked[0].end_s <= 6.03


def test_it_asks_again_once_the_answer_is_over() -> None:
    caller = Caller([Turn(QUESTION, once_answered)] * 2, lead_s=0)
    call(caller, [("Hello,", 0.4), ("you.", 0.8)])
    assert 2.28 <= caller.asked[1].start_s <= 2.34


def test_words_before_the_end_of_the_question_are_no_answer() -> None:
    caller = Caller([Turn(np.ones(24_000, np.float32), once_answered)], lead_s=0)
    call(caller, [("Hello,", 0.2)])
    assert caller._now_s >= 7.0


def test_an_impatient_caller_asks_while_moshi_speaks() -> None:
    caller = Caller([Turn(QUESTION, while_it_speaks)] * 2, lead_s=0)
    call(caller, [("Hello,", 0.4), ("you", 0.9), ("there.", 1.1)])
    assert 1.18 <= caller.asked[1].start_s <= 1.24


def test_noise_lies_under_the_whole_call_and_goes_round() -> None:
    bed = np.linspace(-0.1, 0.1, 1000, dtype=np.float32)
    sound = call(Caller([], bed, lead_s=0.1), [])
    assert np.array_equal(sound, np.resize(bed, len(sound)))
