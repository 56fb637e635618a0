"""The folder of a gateway's recordings: names, what a crash left, limits of size and age."""

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from kaiwa_server.gateway.config import GatewayConfig
from kaiwa_server.gateway.recording import Recording
from kaiwa_server.gateway.recording_files import (
    JournalHeader,
    OpenFile,
    RecordingFiles,
    new_file,
)

log = logging.getLogger(__name__)

# What does not have such a name in the folder is not ours, and stays.
NAMES = "[0-9]" * 8 + "T" + "[0-9]" * 6 + "Z-*"
UNFINISHED = ".unfinished"
CUT = "-cut"
_MB, _DAY_S = 1_000_000, 86_400


def open_recordings(config: GatewayConfig) -> "Recordings | None":
    """Gives the folder that the operator permits recordings in, or None.

    Raises:
        SystemExit: it cannot be used; the text says why.
    """
    if config.recordings is None:
        return None
    max_bytes = config.recordings_max_mb * _MB
    try:
        return Recordings(config.recordings, max_bytes, config.recordings_max_days)
    except OSError as error:
        raise SystemExit(f"--recordings {config.recordings}: {error.strerror or error}") from None


class Recordings:
    """A folder with one folder for each recording, which are this gateway's alone.

    A recording that is being written is called `NAME.unfinished`, and `NAME` when it is whole. One
    that a crash or a full disk ended is `NAME-cut`: it is whole up to its last second.

    Args:
        root: the folder, made if need be.
        max_bytes: of all recordings together; the oldest are removed first.
        max_days: how long a recording is kept.
        clock: gives the time in seconds since 1970.
        open_file: makes a recording's files.

    Raises:
        OSError: the folder cannot be written to, or another gateway has it.
    """

    def __init__(
        self,
        root: Path,
        max_bytes: int,
        max_days: float,
        clock: Callable[[], float] = time.time,
        open_file: OpenFile = new_file,
    ) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._max_days = max_days
        self._clock = clock
        self._open_file = open_file
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(root / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise OSError("another gateway records there: give each a folder of its own") from None
        for unfinished in root.glob(NAMES + UNFINISHED):
            log.warning("recording %s was cut off by a crash", unfinished.stem)
            self._close(unfinished.stem, cut=True)
        self._make_room()

    def close(self) -> None:
        """Lets another gateway have the folder."""
        os.close(self._lock)

    def recording(self, header: JournalHeader) -> Recording:
        """Gives the recording of a session, which has yet to be started."""
        began = datetime.fromtimestamp(self._clock(), UTC)
        name = f"{began:%Y%m%dT%H%M%SZ}-{header.session_id}"
        folder = self._root / (name + UNFINISHED)
        return Recording(
            name,
            partial(RecordingFiles, folder, header, self._open_file),
            self._make_room,
            partial(self._close, name),
        )

    def _close(self, name: str, cut: bool) -> None:
        closed = name + CUT * cut
        (self._root / (name + UNFINISHED)).rename(self._root / closed)
        folder = os.open(self._root, os.O_RDONLY)
        try:
            os.fsync(folder)  # so that the name, too, survives the machine
        finally:
            os.close(folder)
        self._make_room(closed)

    def _make_room(self, closed: str = "") -> bool:
        """Removes what is too old or too much; gives whether what is left is within the limit.

        What has just been `closed` stays until the next one needs its room, since it may have been
        ended by the limit itself.
        """
        sizes = {folder: _size_bytes(folder) for folder in self._root.glob(NAMES)}
        total_bytes = sum(sizes.values())
        oldest = datetime.fromtimestamp(self._clock() - self._max_days * _DAY_S, UTC)
        for folder in sorted(sizes):  # their names begin with the time
            if folder.suffix == UNFINISHED or folder.name == closed:
                continue
            if total_bytes > self._max_bytes or folder.name < f"{oldest:%Y%m%dT%H%M%SZ}":
                log.info("recording %s is removed: too old, or no room for it", folder.name)
                shutil.rmtree(folder, ignore_errors=True)
                total_bytes -= sizes[folder]
        return total_bytes <= self._max_bytes


def _size_bytes(folder: Path) -> int:
    # Another session's recording may be renamed or removed meanwhile.
    sizes = 0
    for name in ("talk.ogg", "events.jsonl", "journal.jsonl"):
        try:
            sizes += (folder / name).stat().st_size
        except FileNotFoundError:
            continue
    return sizes
