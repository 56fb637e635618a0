"""festival, one process for many utterances, with the times of its segments and tokens."""

import shutil
import subprocess
import tempfile
import wave
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import IO

import numpy as np

from kaiwa_training.speech.phones import halves, radio_phones
from kaiwa_training.speech.speech import Speech, Timed, Utterance, time_words, to_24_khz

_VOICE_FOLDER = "/usr/share/festival/voices"
"""Where Debian puts the voices whose diphones speak English here."""


class FestivalMissing(RuntimeError):
    """The program festival is not installed."""


def need_festival() -> None:
    """Raises:
    FestivalMissing: the program is not there.
    """
    if shutil.which("festival") is None:
        raise FestivalMissing("install the Debian package festival and its voices")


class Festival:
    """The program festival."""

    def __init__(self) -> None:
        """Raises:
        FestivalMissing: the program is not there.
        """
        need_festival()

    def say(self, utterances: Sequence[Utterance]) -> Iterator[Speech]:
        """Gives the speech of each utterance; fastest for many of the same voice in a row.

        Raises:
            RuntimeError: festival ended before the last utterance.
        """
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "batch.scm"
            script.write_text(_script(utterances, Path(folder)), encoding="ascii")
            # Of each diphone that a voice lacks it complains there.
            complaints = (Path(folder) / "complaints.txt").open("w+", encoding="utf-8")
            with (
                complaints,
                subprocess.Popen(
                    ["festival", "--batch", str(script)],
                    stdout=subprocess.PIPE,
                    stderr=complaints,
                    text=True,
                ) as process,
            ):
                if process.stdout is None:
                    raise RuntimeError("festival has no output")
                for index, utterance in enumerate(utterances):
                    try:
                        phones, starts_s = _read_times(process.stdout)
                    except RuntimeError as error:
                        complaints.seek(0)
                        error.add_note(complaints.read()[-1000:])
                        raise
                    path = Path(folder) / f"{index}.wav"
                    yield _speech(utterance, path, phones, starts_s)
                    path.unlink()


def _script(utterances: Sequence[Utterance], folder: Path) -> str:
    """Gives the batch in Scheme, with a change of voice only where there is one."""
    lines = [f'(set! kaiwa_voice_folder "{_VOICE_FOLDER}")']
    for part in ("abroad.scm", "festival.scm"):
        lines.append((resources.files(__package__) / part).read_text(encoding="ascii"))
    name = None
    for index, utterance in enumerate(utterances):
        if utterance.voice.name != name:
            name = utterance.voice.name
            lines.append(f'(kaiwa_voice "{name}")')
        pitch_hz = utterance.voice.pitch_hz * utterance.pitch
        stretch = 1 / utterance.rate
        lines.append(
            f'(kaiwa_say "{utterance.text}" "{folder / str(index)}.wav" {stretch:.4f}'
            f" {pitch_hz:.2f})"
        )
    return "\n".join(lines)


def _read_times(output: IO[str]) -> tuple[tuple[Timed, ...], list[float]]:
    """Gives the phones of the next utterance and the start of each of its tokens, in s."""
    phones: list[Timed] = []
    starts_s: list[float] = []
    end_s = 0.0
    for line in output:
        match line.split():
            case ["segment", name, end]:
                phones += halves(radio_phones(name), end_s, float(end))
                end_s = float(end)
            case ["token", start]:
                starts_s.append(float(start))
            case ["done"]:
                return tuple(phones), starts_s
    raise RuntimeError("festival ended before the last utterance")


def _speech(
    utterance: Utterance, path: Path, phones: tuple[Timed, ...], token_starts_s: list[float]
) -> Speech:
    with wave.open(str(path), "rb") as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        rate_hz = file.getframerate()
    starts_s = {
        place: start_s for place, start_s in enumerate(token_starts_s) if start_s > 0 or place == 0
    }
    words = time_words(utterance.text, starts_s, phones, phones[-1][2])
    return Speech(to_24_khz(pcm, rate_hz), phones, words)
