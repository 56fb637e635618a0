"""The voices that are heard in training, and those that are kept for the evaluation."""

from itertools import product

from kaiwa_training.speech.speech import Voice

MOSHI = Voice("festival", "cmu_us_slt_arctic_hts")

_ACCENTS = ("en", "en-us", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-rp", "en-029", "en-us-nyc")

# espeak-ng's variants that sound like a person: left out are those whose vowels are hardly
# periodic (whispers, croaks), the robots, those with long echoes, and near copies of another one.
_VARIANTS = (
    *("f1", "f2", "f3", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m8"),
    *("Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo"),
    *("Jacky", "Mario", "Michael", "Mike", "Mr serious", "Nguyen", "anika", "antonio", "aunty"),
    *("benjamin", "boris", "caleb", "david", "ed", "edward", "grandma", "gustave", "iven"),
    *("iven3", "john", "kaukovalta", "klatt", "klatt3", "linda", "marcelo", "max", "michel"),
    *("miguel", "norbert", "pablo", "paul", "quincy", "rob", "robert", "sandro", "shelby"),
    *("steph", "travis", "victor"),
)


def _espeak_voices() -> tuple[Voice, ...]:
    """Gives every accent plain, and every variant in two accents."""
    names = [*_ACCENTS]
    for place, variant in enumerate(_VARIANTS):
        for accent in (_ACCENTS[place % 7], _ACCENTS[(place * 2 + place // 7 + 1) % 7]):
            names.append(f"{accent}+{variant}")
    return tuple(Voice("espeak", name) for name in dict.fromkeys(names))


ESPEAK_TRAINING_VOICES = _espeak_voices()

OTHER_TRAINING_VOICES = (
    Voice("flite", "kal", pitch_hz=95.0),
    Voice("flite", "kal16", pitch_hz=95.0),
    Voice("flite", "awb"),
    Voice("flite", "slt"),
    Voice("festival", "kal_diphone", pitch_hz=105.0),
)

TRAINING_VOICES = (*ESPEAK_TRAINING_VOICES, *OTHER_TRAINING_VOICES)

# Throats from abroad that speak English by festival's rules, at the pitch that is their own.
VOICES_ABROAD = (
    Voice("festival", "czech_dita", pitch_hz=210.0),
    Voice("festival", "czech_krb", pitch_hz=258.0),
    Voice("festival", "czech_machac", pitch_hz=85.0),
    Voice("festival", "czech_ph", pitch_hz=130.0),
    Voice("festival", "suo_fi_lj_diphone", pitch_hz=190.0),
    Voice("festival", "hy_fi_mv_diphone", pitch_hz=105.0),
    Voice("festival", "lp_diphone", pitch_hz=190.0),
    Voice("festival", "pc_diphone", pitch_hz=110.0),
    Voice("festival", "hindi_NSK_diphone", pitch_hz=120.0),
)

PICO_VOICES = (Voice("pico", "en-US"), Voice("pico", "en-GB"))

# Of CMU ARCTIC's speakers bdl and clb, and what lies between them and slt, who is flite's too.
HMM_VOICES = tuple(Voice("hmm", name) for name in ("bdl", "clb", "bdl+clb", "bdl+slt", "clb+slt"))

HEART = Voice("neural", "heart")

_KOKORO = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")

# Kokoro's voices, and throats that nobody has: one part of each with two of each other.
KOKORO_VOICES = tuple(
    Voice("neural", one if one == other else f"{one}+{other}+{other}")
    for one, other in product(_KOKORO, _KOKORO)
)

# Speakers rms and ked, the variants f4, m7, Alex, belinda and Lee, and the accent of the West
# Midlands are in no training voice.
HELD_OUT_VOICES = (
    Voice("flite", "rms"),
    Voice("festival", "ked_diphone", pitch_hz=105.0),
    Voice("espeak", "en+f4"),
    Voice("espeak", "en-us+f4"),
    Voice("espeak", "en-us+m7"),
    Voice("espeak", "en-gb-scotland+m7"),
    Voice("espeak", "en-gb-x-rp+Alex"),
    Voice("espeak", "en-029+belinda"),
    Voice("espeak", "en+Lee"),
    Voice("espeak", "en-us-nyc+Lee"),
    Voice("espeak", "en-gb-x-gbcwmd+Alex"),
    Voice("espeak", "en-gb-x-gbcwmd+belinda"),
)

_FOREIGN_VARIANTS = ("f1", "f2", "f5", "m1", "m2", "m3", "m5", "linda", "max", "rob")


def foreign_voices(language: str) -> tuple[Voice, ...]:
    """Gives voices for a language under espeak-ng's name for it."""
    return tuple(Voice("espeak", f"{language}+{variant}") for variant in _FOREIGN_VARIANTS)
