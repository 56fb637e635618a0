"""espeak-ng, loaded as a library, with the times of phones and words from its events.

The structures and numbers are those of espeak-ng's `speak_lib.h`.
"""

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kaiwa_training.speech.phones import espeak_phones, halves
from kaiwa_training.speech.speech import Speech, Timed, Utterance, time_words, to_24_khz

_SYNCHRONOUS = 2
_PHONEME_EVENTS = 1
_UTF8 = 1
_RATE, _PITCH = 1, 3
_END, _WORD, _PHONEME = 0, 1, 7
_STOPS = frozenset(("p", "t", "k", "b", "d", "g", "tS", "dZ", "t2", "t#"))
_SILENT_PCM = 64  # 54 dB below full scale
_NORMAL_RATE_WPM = 170
_NORMAL_PITCH = 50


class _Event(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass
class _Heard:
    """What one synthesis has delivered so far."""

    pcm: list[NDArray[np.int16]] = field(default_factory=list)
    words: list[tuple[int, int]] = field(default_factory=list)  # place in text, sample
    phones: list[tuple[str, int]] = field(default_factory=list)  # mnemonic, sample


class EspeakMissing(RuntimeError):
    """libespeak-ng is not installed."""


class Espeak:
    """The espeak-ng library. A process has one, as the library keeps its own state."""

    def __init__(self) -> None:
        """Raises:
        EspeakMissing: the library or its data is not there.
        """
        try:
            self._library = ctypes.CDLL("libespeak-ng.so.1")
        except OSError as error:
            raise EspeakMissing("install the Debian package espeak-ng") from error
        self._rate_hz: int = self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS)
        if self._rate_hz <= 0:
            raise EspeakMissing("espeak-ng does not find its data")
        self._random = ctypes.CDLL(None)
        self._heard = _Heard()
        # ctypes frees a callback that nobody holds.
        self._callback = _Callback(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, utterances: Sequence[Utterance]) -> Iterator[Speech]:
        """Gives the speech of each utterance. Other languages than English have no phones.

        Raises:
            ValueError: espeak-ng has no such voice.
        """
        for utterance in utterances:
            yield self._say(utterance)

    def _say(self, utterance: Utterance) -> Speech:
        self._heard = _Heard()
        if self._library.espeak_SetVoiceByName(utterance.voice.name.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {utterance.voice.name}")
        self._library.espeak_SetParameter(_RATE, round(_NORMAL_RATE_WPM * utterance.rate), 0)
        self._library.espeak_SetParameter(
            _PITCH, round(_NORMAL_PITCH + 100 * (utterance.pitch - 1)), 0
        )
        # Its noise comes from the C library's generator, which it seeds by the clock.
        self._random.srand(utterance.seed)
        text = utterance.text.encode()
        self._library.espeak_Synth(text, len(text) + 1, 0, 0, 0, _UTF8, None, None)
        return self._speech(utterance)

    def _receive(
        self,
        pcm: "ctypes._Pointer[ctypes.c_short]",
        count: int,
        events: "ctypes._Pointer[_Event]",
    ) -> int:
        if pcm and count > 0:
            self._heard.pcm.append(np.ctypeslib.as_array(pcm, (count,)).copy())
        place = 0
        while events[place].kind != _END:
            event = events[place]
            if event.kind == _WORD:
                self._heard.words.append((event.text_position - 1, event.sample))
            elif event.kind == _PHONEME:
                self._heard.phones.append((event.id.decode(), event.sample))
            place += 1
        return 0

    def _speech(self, utterance: Utterance) -> Speech:
        pcm = np.concatenate(self._heard.pcm)
        if not utterance.voice.name.startswith("en"):
            return Speech(to_24_khz(pcm, self._rate_hz), (), ())
        samples = [sample for _, sample in self._heard.phones]
        edges = [*_with_closures(pcm, self._heard.phones, self._rate_hz), len(pcm)]
        moved = dict(zip(samples, edges, strict=False))
        phones: list[Timed] = []
        for (name, _), start, end in zip(self._heard.phones, edges[:-1], edges[1:], strict=True):
            phones += halves(espeak_phones(name), start / self._rate_hz, end / self._rate_hz)
        starts_s = {
            place: moved.get(sample, sample) / self._rate_hz
            for place, sample in _places(utterance.text, self._heard.words)
        }
        words = time_words(utterance.text, starts_s, tuple(phones), len(pcm) / self._rate_hz)
        return Speech(to_24_khz(pcm, self._rate_hz), tuple(phones), words)


def _with_closures(
    pcm: NDArray[np.int16], phones: list[tuple[str, int]], rate_hz: int
) -> list[int]:
    """Gives the first sample of each phone, with a stop's closure counted to the stop.

    espeak-ng reports a stop at its burst and leaves the silence before it to the phone before,
    whereas the other engines' stops begin with their closure.
    """
    step = rate_hz // 200
    starts: list[int] = []
    for place, (name, start) in enumerate(phones):
        if place and name in _STOPS and not phones[place - 1][0].startswith("_"):
            earliest = phones[place - 1][1] + step
            while start - step > earliest and _is_silent(pcm[start - step : start]):
                start -= step
        starts.append(start)
    return starts


def _is_silent(pcm: NDArray[np.int16]) -> bool:
    return bool(np.abs(pcm).max() < _SILENT_PCM)


def _places(text: str, events: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Gives (place in `text.split()`, sample) for the first event inside each word.

    espeak-ng also sends word events for punctuation, with the position of a space or with one
    that goes back; those are left out.
    """
    places: list[tuple[int, int]] = []
    for position, sample in events:
        is_inside = 0 <= position < len(text) and not text[position].isspace()
        place = len(text[: position + 1].split()) - 1
        if is_inside and (not places or place > places[-1][0]):
            places.append((place, sample))
    return places
