"""The three files of a recording, as they are written: sound, events, journal."""

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, Self

import numpy as np
from kaiwa.opus import OpusEncoder

from kaiwa_server.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from kaiwa_server.gateway.ogg import OggOpusWriter
from kaiwa_server.gateway.user_sound import Samples
from kaiwa_server.journal import StepRecord

JOURNAL_VERSION = 1
# At 64 kbit/s the codec joins the channels' high bands, and one voice is heard in both.
BITRATE_BPS = 96_000


@dataclass(frozen=True, slots=True)
class JournalHeader:
    """What a session's steps follow from; `settings` are the contract's, in JSON, with the seed."""

    session_id: str
    model_name: str
    model_fingerprint: str
    context_steps: int
    settings: Mapping[str, object]


class OpenFile(Protocol):
    """Makes a new file that only its owner may read."""

    def __call__(self, path: Path) -> BinaryIO:
        """Opens it; raises OSError."""


def new_file(path: Path) -> BinaryIO:
    """Opens a new file for writing, without a buffer: what is written survives the process."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)


class RecordingFiles:
    """`talk.ogg`, `events.jsonl` and `journal.jsonl` in a folder that it makes.

    They are open for as long as the `with` block lasts. All of it raises OSError. Files that cannot
    even be begun are removed again.

    A block of sound, a line and a step are whole in their file before the call returns.
    """

    def __init__(self, folder: Path, header: JournalHeader, open_file: OpenFile = new_file) -> None:
        encoder = OpusEncoder(bitrate_bps=BITRATE_BPS, channels=2)
        self._encoder = encoder
        self._ogg = OggOpusWriter(1, SAMPLE_RATE_HZ, encoder.lookahead_samples, channels=2)
        folder.mkdir(mode=0o700)
        try:
            with ExitStack() as opening:
                self._sound = opening.enter_context(open_file(folder / "talk.ogg"))
                self._events = opening.enter_context(open_file(folder / "events.jsonl"))
                self._journal = opening.enter_context(open_file(folder / "journal.jsonl"))
                self._write(self._sound, self._ogg.headers())
                self._write_line(self._journal, _header_line(header))
                self._open = opening.pop_all()
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def sound(self, left: Samples, right: Samples) -> None:
        """Adds 80 ms: float32 [1920] each."""
        packet = self._encoder.encode(np.stack((left, right), axis=1))  # [1920, 2]
        self._write(self._sound, self._ogg.page(packet, FRAME_SAMPLES))

    def event(self, event: Mapping[str, object]) -> None:
        """Adds a line to the events."""
        self._write_line(self._events, event)

    def step(self, record: StepRecord) -> None:
        """Adds a step to the journal."""
        line: dict[str, object] = {
            "step": record.step,
            "text": record.text_token,
            "moshi": record.moshi_tokens,
            "user": record.user_tokens,
        }
        if record.sampling is not None:
            line["sampling"] = asdict(record.sampling)
        self._write_line(self._journal, line)

    def sync(self) -> None:
        """Returns when what was written survives the machine, too."""
        for file in (self._sound, self._events, self._journal):
            os.fsync(file.fileno())

    def finish(self) -> None:
        """Ends the sound, after what the encoder still holds of it."""
        rest = np.zeros((self._encoder.lookahead_samples, 2), np.float32)
        self._write(self._sound, self._ogg.page(self._encoder.encode(rest), len(rest)))
        self._write(self._sound, self._ogg.end())
        self.sync()

    def _write_line(self, file: BinaryIO, value: Mapping[str, object]) -> None:
        line = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        self._write(file, line.encode() + b"\n")

    def _write(self, file: BinaryIO, data: bytes) -> None:
        # A disk that fills up takes a part first, and says so only when it is given the rest.
        while data:
            data = data[file.write(data) :]


def _header_line(header: JournalHeader) -> dict[str, object]:
    return {
        "kaiwa_journal": JOURNAL_VERSION,
        "session_id": header.session_id,
        "model_name": header.model_name,
        "model_fingerprint": header.model_fingerprint,
        "context_steps": header.context_steps,
        "settings": dict(header.settings),
    }
