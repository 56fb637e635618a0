"""What the engines say of their phones and words is where the sound has them."""

from collections.abc import Callable

import numpy as np
import pytest
from kaiwa_training.speech.espeak import Espeak, EspeakMissing
from kaiwa_training.speech.festival import Festival, FestivalMissing
from kaiwa_training.speech.flite import Flite, FliteMissing
from kaiwa_training.speech.hmm import Hmm, HtsEngineMissing
from kaiwa_training.speech.neural import Neural
from kaiwa_training.speech.phones import PHONES, SILENCE, UNKNOWN
from kaiwa_training.speech.pico import Pico
from kaiwa_training.speech.speech import SAMPLE_RATE_HZ, Engine, Speech, Utterance, Voice
from kaiwa_training.speech.voices import (
    HEART,
    HELD_OUT_VOICES,
    HMM_VOICES,
    KOKORO_VOICES,
    MOSHI,
    PICO_VOICES,
    TRAINING_VOICES,
    VOICES_ABROAD,
)
from kaiwa_training.texts.texts import load_texts

TEXT = "Moshi, what's the capital of France? Tell me, please."
VOICES = (
    Voice("espeak", "en-us+f2"),
    Voice("flite", "kal16", pitch_hz=95.0),
    Voice("flite", "slt"),
    Voice("festival", "kal_diphone", pitch_hz=105.0),
    *VOICES_ABROAD,
    *PICO_VOICES,
    HEART,
    *KOKORO_VOICES[:2],
    *HMM_VOICES[1:3],
    MOSHI,
)
# Moshi speaks at its own rate, and Pico's silences stay as they are.
RATED_VOICES = [voice for voice in VOICES if voice not in (MOSHI, *PICO_VOICES)]
NOISY_PAUSES = ("czech_ph", "hy_fi_mv_diphone")  # whose recordings hiss
ENGINES: dict[str, Callable[[], Engine]] = {
    "espeak": Espeak,
    "flite": Flite,
    "festival": Festival,
    "pico": Pico,
    "neural": Neural,
    "hmm": Hmm,
}
VOWELS = {phone for phone, name in enumerate(PHONES) if name[0] in "aeiou"}

OneEngine = Callable[[str], Engine]


@pytest.fixture(scope="module")
def engine() -> OneEngine:
    """Gives an engine by name, or skips when it is not installed."""
    made: dict[str, Engine] = {}

    def one(name: str) -> Engine:
        if name not in made:
            try:
                made[name] = ENGINES[name]()
            except (EspeakMissing, FliteMissing, FestivalMissing, HtsEngineMissing) as error:
                pytest.skip(str(error))
        return made[name]

    return one


def say(engine: OneEngine, voice: Voice, text: str = TEXT, rate: float = 1.0) -> Speech:
    return next(iter(engine(voice.engine).say([Utterance(text, voice, rate)])))


def level_db(speech: Speech, phones: set[int]) -> float:
    """The level of all that is labelled with one of these phones."""
    parts = [
        speech.samples[int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)]
        for phone, start_s, end_s in speech.phones
        if phone in phones
    ]
    return float(10 * np.log10(np.mean(np.concatenate(parts) ** 2) + 1e-12))


@pytest.mark.parametrize("voice", VOICES, ids=str)
def test_pauses_are_silent_and_vowels_loud(engine: OneEngine, voice: Voice) -> None:
    speech = say(engine, voice)
    apart_db = 15 if voice.name in NOISY_PAUSES else 20
    assert level_db(speech, VOWELS) > level_db(speech, {SILENCE}) + apart_db


@pytest.mark.parametrize("voice", VOICES, ids=str)
def test_every_word_has_its_time(engine: OneEngine, voice: Voice) -> None:
    words = say(engine, voice).words
    assert [word for word, _, _ in words] == TEXT.split()
    edges = [edge for _, start_s, end_s in words for edge in (start_s, end_s)]
    assert edges == sorted(edges)


@pytest.mark.parametrize("voice", RATED_VOICES, ids=str)
def test_a_higher_rate_is_faster(engine: OneEngine, voice: Voice) -> None:
    slow, fast = (len(say(engine, voice, rate=rate).samples) for rate in (0.8, 1.25))
    assert fast < 0.75 * slow


@pytest.mark.parametrize("voice", PICO_VOICES, ids=str)
def test_picos_words_are_faster_at_a_higher_rate(engine: OneEngine, voice: Voice) -> None:
    slow, fast = (say(engine, voice, rate=rate).words for rate in (0.8, 1.25))
    slow_s, fast_s = (words[-1][2] - words[0][1] for words in (slow, fast))
    assert fast_s < 0.75 * slow_s


# Not espeak-ng, which goes on from where its last utterance left its state.
@pytest.mark.parametrize("voice", VOICES[1:], ids=str)
def test_the_same_is_said_again_in_the_same_way(engine: OneEngine, voice: Voice) -> None:
    first, again = say(engine, voice), say(engine, voice)
    assert first.phones == again.phones


def test_every_espeak_voice_speaks_with_known_phones(engine: OneEngine) -> None:
    text = "My usual choice of leisure is a fair cure, though tyres were rather dear."
    voices = [v for v in (*TRAINING_VOICES, *HELD_OUT_VOICES) if v.engine == "espeak"]
    for voice in voices:
        assert say(engine, voice, text).phones


def test_every_accent_knows_the_phones_of_replies(engine: OneEngine) -> None:
    voices = [v for v in (*TRAINING_VOICES, *HELD_OUT_VOICES) if v.engine == "espeak"]
    accents = {voice.name.partition("+")[0] for voice in voices}
    for accent in sorted(accents):
        for text in load_texts().replies()[:12]:
            assert say(engine, Voice("espeak", accent), text).words


def test_a_voice_from_abroad_says_what_it_has_not_learnt_to_speak(engine: OneEngine) -> None:
    finnish = next(voice for voice in VOICES_ABROAD if voice.name.startswith("hy_fi"))
    speech = say(engine, finnish, "Zoos amuse us.")
    named = [phone for phone, _, _ in speech.phones]
    assert named.count(UNKNOWN) == 4  # each z, and the schwa of amuse
    assert PHONES.index("uw") in named


def test_voices_from_abroad_have_throats_of_their_own(engine: OneEngine) -> None:
    said = [say(engine, voice, "Hello.").samples for voice in VOICES_ABROAD]
    shortest = min(len(samples) for samples in said)
    alike = np.corrcoef(np.stack([samples[:shortest] for samples in said]))
    assert np.abs(alike - np.eye(len(said))).max() < 0.9


@pytest.mark.parametrize("voice", PICO_VOICES, ids=str)
def test_picos_loudest_sounds_are_not_cut_off(engine: OneEngine, voice: Voice) -> None:
    assert np.abs(say(engine, voice).samples).max() < 0.9


def test_an_unknown_voice_is_an_error(engine: OneEngine) -> None:
    unknown = [Voice(name, "nobody") for name in ("espeak", "flite", "pico", "neural", "hmm")]
    between = [Voice("neural", f"{KOKORO_VOICES[0].name}+nobody"), Voice("hmm", "bdl+nobody")]
    for voice in (*unknown, *between):
        with pytest.raises(ValueError, match="no voice"):
            say(engine, voice)


def test_festival_says_many_texts_in_order(engine: OneEngine) -> None:
    texts = ("Hello.", "What is the name of the long and winding road?")
    short, long = engine("festival").say([Utterance(text, VOICES[3]) for text in texts])
    assert len(short.samples) < len(long.samples)
    assert [word for word, _, _ in long.words] == texts[1].split()
