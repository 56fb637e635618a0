"""flite, loaded as a library, with the times of its segments and tokens.

The structures are those of flite's `cst_voice.h` and `cst_wave.h`.
"""

import ctypes
from collections.abc import Iterator, Sequence

import numpy as np

from kaiwa_training.speech.phones import halves, radio_phones
from kaiwa_training.speech.speech import Speech, Timed, Utterance, time_words, to_24_khz

# A token's start is the end of the segment before its first one.
_TOKEN_START = b"daughter1.R:SylStructure.daughter1.daughter1.R:Segment.p.end"


class _Voice(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


class _Wave(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_char_p),
        ("rate_hz", ctypes.c_int),
        ("sample_count", ctypes.c_int),
        ("channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


class FliteMissing(RuntimeError):
    """libflite is not installed."""


class Flite:
    """The flite library with those of its voices that were asked for."""

    def __init__(self) -> None:
        """Raises:
        FliteMissing: the library is not there.
        """
        try:
            self._library = ctypes.CDLL("libflite.so.1", mode=ctypes.RTLD_GLOBAL)
            for name in ("usenglish", "cmulex"):
                ctypes.CDLL(f"libflite_{name}.so.1", mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise FliteMissing("install the Debian package flite") from error
        self._declare()
        self._library.flite_init()
        self._voices: dict[str, int] = {}

    def say(self, utterances: Sequence[Utterance]) -> Iterator[Speech]:
        """Gives the speech of each utterance.

        Raises:
            ValueError: flite has no such voice.
        """
        for utterance in utterances:
            yield self._say(utterance)

    def _declare(self) -> None:
        item, text = ctypes.c_void_p, ctypes.c_char_p
        for name, result, arguments in (
            ("flite_synth_text", item, (text, item)),
            ("utt_relation", item, (item, text)),
            ("relation_head", item, (item,)),
            ("item_next", item, (item,)),
            ("utt_wave", ctypes.POINTER(_Wave), (item,)),
            ("ffeature_string", text, (item, text)),
            ("ffeature_float", ctypes.c_float, (item, text)),
            ("flite_feat_set_float", None, (item, text, ctypes.c_float)),
            ("delete_utterance", None, (item,)),
        ):
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments

    def _voice(self, name: str) -> int:
        if name not in self._voices:
            try:
                library = ctypes.CDLL(f"libflite_cmu_us_{name}.so.1")
            except OSError as error:
                raise ValueError(f"flite has no voice {name}") from error
            register = getattr(library, f"register_cmu_us_{name}")
            register.restype, register.argtypes = ctypes.c_void_p, (ctypes.c_char_p,)
            self._voices[name] = register(None)
        return self._voices[name]

    def _say(self, utterance: Utterance) -> Speech:
        voice = self._voice(utterance.voice.name)
        features = ctypes.cast(voice, ctypes.POINTER(_Voice)).contents.features
        stretch = 1 / utterance.rate
        self._library.flite_feat_set_float(features, b"duration_stretch", stretch)
        if utterance.voice.pitch_hz:
            pitch_hz = utterance.voice.pitch_hz * utterance.pitch
            self._library.flite_feat_set_float(features, b"int_f0_target_mean", pitch_hz)
        else:
            self._library.flite_feat_set_float(features, b"f0_shift", utterance.pitch)
        spoken = self._library.flite_synth_text(utterance.text.encode(), voice)
        try:
            return self._speech(utterance.text, spoken)
        finally:
            self._library.delete_utterance(spoken)

    def _speech(self, text: str, spoken: int) -> Speech:
        wave = self._library.utt_wave(spoken).contents
        pcm = np.ctypeslib.as_array(wave.samples, (wave.sample_count,)).copy()
        phones = self._phones(spoken)
        starts_s = {
            place: start_s
            for place, start_s in enumerate(self._token_starts_s(spoken))
            if start_s > 0 or place == 0
        }
        if len(starts_s) > len(text.split()):
            raise ValueError(f"flite reads more words than were written: {text}")
        return Speech(
            to_24_khz(pcm, wave.rate_hz), phones, time_words(text, starts_s, phones, phones[-1][2])
        )

    def _phones(self, spoken: int) -> tuple[Timed, ...]:
        timed: list[Timed] = []
        start_s = 0.0
        for item in self._items(spoken, b"Segment"):
            name = self._library.ffeature_string(item, b"name").decode()
            end_s = self._library.ffeature_float(item, b"end")
            timed += halves(radio_phones(name), start_s, end_s)
            start_s = end_s
        return tuple(timed)

    def _token_starts_s(self, spoken: int) -> list[float]:
        return [
            self._library.ffeature_float(item, _TOKEN_START)
            for item in self._items(spoken, b"Token")
        ]

    def _items(self, spoken: int, relation: bytes) -> Iterator[int]:
        item = self._library.relation_head(self._library.utt_relation(spoken, relation))
        while item:
            yield item
            item = self._library.item_next(item)
