"""The phones that clips are labelled with, and how each voice engine's phones map to them.

The inventory is the ARPAbet-like "radio" set of festival and flite, with silence as phone 0. A
word has nearly the same phones in every accent, as far as its espeak-ng spelling allows: a phone
says which sound is meant, not how one accent colours it.
"""

PHONES = tuple(
    "pau aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th "
    "uh uw v w y z zh".split()
)
SILENCE = 0
UNKNOWN = 255  # what is said in another language, or as only another language would

_INDEX = {name: index for index, name in enumerate(PHONES)}

# Names that festival and flite use besides the inventory.
_RADIO_ALIASES = {
    "axr": ("er",),
    "brth": ("pau",),
    "dx": ("t",),
    "el": ("ax", "l"),
    "em": ("ax", "m"),
    "en": ("ax", "n"),
    "h#": ("pau",),
    "hv": ("hh",),
    "ix": ("ih",),
    "nx": ("n",),
    "sil": ("pau",),
    "ssil": ("pau",),
    "ux": ("uw",),
    "wh": ("w",),
}

# espeak-ng's mnemonics in its English accents.
_ESPEAK = {
    "0": "aa",
    "3": "er",
    "3:": "er",
    ";": "y",
    "?": "t",
    "@": "ax",
    "@-": "ax",
    "@2": "ax",
    "@5": "ax",
    "@L": "ax l",
    "A:": "aa",
    "A@": "aa r",
    "D": "dh",
    "E": "eh",
    "I": "ih",
    "I#": "ih",
    "I2": "ih",
    "IR": "er",
    "N": "ng",
    "O": "ao",
    "O2": "ao",
    "O:": "ao",
    "O@": "ao r",
    "OI": "oy",
    "S": "sh",
    "T": "th",
    "U": "uh",
    "U@": "uh r",
    "V": "ah",
    "VR": "er",
    "Z": "zh",
    "_": "pau",
    "_!": "pau",
    "_:": "pau",
    "_|": "pau",
    "a": "ae",
    "a#": "ax",
    "aI": "ay",
    "aI2": "ay",
    "aI3": "ay er",
    "aI@": "ay er",
    "aU": "aw",
    "aa": "ae",
    "b": "b",
    "d": "d",
    "dZ": "jh",
    "e@": "eh r",
    "eI": "ey",
    "f": "f",
    "g": "g",
    "h": "hh",
    "i": "iy",
    "i:": "iy",
    "i@": "iy ax",
    "i@3": "ih r",
    "j": "y",
    "k": "k",
    "l": "l",
    "m": "m",
    "n": "n",
    "n-": "n",
    "o@": "ao r",
    "oU": "ow",
    "p": "p",
    "r": "r",
    "r-": "r",
    "s": "s",
    "t": "t",
    "t#": "t",
    "t2": "t",
    "t[": "th",
    "tS": "ch",
    "u:": "uw",
    "v": "v",
    "w": "w",
    "w#": "w",
    "z": "z",
}


def radio_phones(name: str) -> tuple[int, ...]:
    """Gives the phones of one festival or flite segment; two share its time by halves.

    A name of `?` is a phone that the voice has not learnt to speak.

    Raises:
        KeyError: the name belongs to no phone set known here.
    """
    if name == "?":
        return (UNKNOWN,)
    return tuple(_INDEX[phone] for phone in _RADIO_ALIASES.get(name, (name,)))


def espeak_phones(mnemonic: str) -> tuple[int, ...]:
    """Gives the phones of one espeak-ng mnemonic; two share its time by halves.

    Raises:
        KeyError: no English accent used here has the mnemonic.
    """
    return tuple(_INDEX[phone] for phone in _ESPEAK[mnemonic].split())


def halves(phones: tuple[int, ...], start_s: float, end_s: float) -> list[tuple[int, float, float]]:
    """Gives each phone an equal share of the time."""
    share_s = (end_s - start_s) / len(phones)
    return [
        (phone, start_s + i * share_s, start_s + (i + 1) * share_s)
        for i, phone in enumerate(phones)
    ]
