"""What a conversation leaves on disk."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from kaiwa.cli.errors import CannotDo
from kaiwa.cli.measure import Figures, delays_of
from kaiwa.cli.recording import Recording
from kaiwa.cli.sound import check_sound_format, overlay, write_sound
from kaiwa.cli.transcript import transcribe
from kaiwa.cli.words import words_of


@dataclass(frozen=True, slots=True)
class Outputs:
    """Which files are asked for."""

    reply: Path | None = None
    stereo: Path | None = None
    plot: Path | None = None
    transcript: Path | None = None
    json: Path | None = None

    def paths(self) -> list[Path]:
        """Gives those that are asked for."""
        places = (self.reply, self.stereo, self.plot, self.transcript, self.json)
        return [path for path in places if path is not None]

    def check(self) -> None:
        """Finds out before the talk whether there is a place for its files.

        Raises:
            CannotDo: a folder is missing, may not be written to, or a format is not known.
        """
        for path in self.paths():
            if not path.parent.is_dir():
                raise CannotDo(f"cannot write {path}: there is no folder {path.parent}")
            if path.is_dir():
                raise CannotDo(f"cannot write {path}: it is a folder")
            if not os.access(path if path.exists() else path.parent, os.W_OK):
                raise CannotDo(f"cannot write {path}: you have no permission to")
        for sound in (self.reply, self.stereo):
            if sound is not None:
                check_sound_format(sound)
        if self.plot is not None:
            from kaiwa.cli.plot import check_picture_format  # half a second, before the call

            check_picture_format(self.plot)


def save(outputs: Outputs, recording: Recording, figures: Figures) -> None:
    """Writes the files that are asked for.

    Raises:
        CannotDo: one of them cannot be written.
    """
    if outputs.reply is not None:
        write_sound(outputs.reply, recording.moshi_track())
    if outputs.stereo is not None:
        write_sound(outputs.stereo, overlay(recording.user_track(), recording.moshi_track()))
    if outputs.transcript is not None:
        write_text(outputs.transcript, _text(recording, figures))
    if outputs.json is not None:
        write_text(outputs.json, json.dumps(_document(recording, figures), indent=2) + "\n")
    if outputs.plot is not None:
        from kaiwa.cli.plot import plot

        plot(outputs.plot, recording, figures)


def write_text(path: Path, text: str) -> None:
    """Writes a text file.

    Raises:
        CannotDo: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotDo(f"cannot write {path}: {error}") from error


def _text(recording: Recording, figures: Figures) -> str:
    lines = [str(line) for line in transcribe(recording.questions, recording.pieces)]
    lines += ["", f"model {recording.ready.model_name}, seed {recording.ready.seed}"]
    p50, p99 = figures.mouth_to_ear_p50_ms, figures.mouth_to_ear_p99_ms
    if p50 is not None and p99 is not None:
        lines.append(f"mouth to ear p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    return "\n".join(lines) + "\n"


def _document(recording: Recording, figures: Figures) -> dict[str, object]:
    return {
        "session": asdict(recording.ready),
        "questions": [asdict(question) for question in recording.questions],
        "words": [asdict(word) for word in words_of(recording.pieces)],
        "figures": asdict(figures),
        "summary": None if recording.summary is None else asdict(recording.summary),
        "frames": [asdict(delay) for delay in delays_of(recording)],
    }
