"""The recording of one session: it watches, and a thread of its own writes."""

import logging
import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from queue import SimpleQueue

import numpy as np

from kaiwa_server.audio import FRAME_MS, FRAME_SAMPLES, PcmFrame
from kaiwa_server.gateway.outputs import Notice, Output, Ready, RecordingStopped, Summary
from kaiwa_server.gateway.recording_files import RecordingFiles
from kaiwa_server.gateway.session import CodecStep
from kaiwa_server.gateway.user_sound import Samples
from kaiwa_server.journal import StepRecord, TextPiece

log = logging.getLogger(__name__)

SYNC_STEPS = 12  # about a second
ROOM_EVERY = 2_000  # things that are written: a minute or so
# 20 s of a conversation: a disk that is slower than that for so long is not going to catch up.
MAX_WAITING = 1_000
SILENCE = np.zeros(FRAME_SAMPLES, np.float32)


class Recording:
    """Keeps what the model heard, what Moshi said, the events and the journal.

    Sound lies on the session's clock: the frame that step s heard ends at s x 80 ms, where the one
    that it completed begins. So what is heard between question and answer is Moshi's own delay.

    Nothing here waits for the disk. When writing fails, or 1,000 things wait to be written, the
    recording ends, is marked as cut and says so once; the conversation goes on.

    Args:
        id: its name.
        open_files: makes its files; raises OSError.
        make_room: keeps the limit of all recordings; gives whether there is room to go on.
        close: gives it its final name, with a mark if it was cut; raises OSError.
        max_waiting: how many things may wait to be written.
    """

    def __init__(
        self,
        id: str,
        open_files: Callable[[], RecordingFiles],
        make_room: Callable[[], bool],
        close: Callable[[bool], None],
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self.id = id
        self._open_files = open_files
        self._make_room = make_room
        self._close = close
        self._max_waiting = max_waiting
        self._waiting: SimpleQueue[Callable[[RecordingFiles], None] | None] = SimpleQueue()
        self._heard: deque[Samples] = deque()
        self._voice: Samples | None = None  # what is spoken while the next frame is heard
        self._step = 0
        self._stopped = threading.Event()
        self._told = False
        self._thread = threading.Thread(target=self._write, name=f"recording {id}")

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def hear(self, frame: PcmFrame) -> None:
        """Takes the frame that goes to the model."""
        self._heard.append(frame.samples)

    def on_step(self, step: CodecStep) -> list[Output]:
        """Takes what a step did; gives what the client is to be told of the recording."""
        record = step.record
        self._step = record.step
        heard = self._heard.popleft() if record.user_tokens and self._heard else SILENCE
        if record.step:
            voice = SILENCE if self._voice is None else self._voice
            self._later(lambda files: files.sound(heard, voice))
        self._voice = None if step.moshi_frame is None else step.moshi_frame.samples
        self._later(lambda files: _write_step(files, record))
        if self._stopped.is_set() and not self._told:
            self._told = True
            return [RecordingStopped(record.step)]
        return []

    def tell(self, output: Output) -> None:
        """Takes what the client is told; its sound is not written a second time."""
        if not isinstance(output, PcmFrame):
            event = event_of(output)
            self._later(lambda files: files.event(event))

    def end(self, result: str) -> None:
        """Ends it: what waits is still written; nothing is waited for."""
        if (voice := self._voice) is not None:
            self._later(lambda files: files.sound(SILENCE, voice))
        time_ms = self._step * FRAME_MS
        event = {"event": "end", "step": self._step, "time_ms": time_ms, "result": result}
        self._later(lambda files: files.event(event))
        self._waiting.put(None)

    def join(self) -> None:
        """Returns when it is written."""
        self._thread.join()

    def _later(self, write: Callable[[RecordingFiles], None]) -> None:
        if self._waiting.qsize() >= self._max_waiting and not self._stopped.is_set():
            log.warning("recording %s stopped: the disk is too slow for it", self.id)
            self._stopped.set()
        if not self._stopped.is_set():
            self._waiting.put(write)

    def _write(self) -> None:
        whole = False
        try:
            self._require_room()
            with self._open_files() as files:
                whole = self._write_all(files)
        except OSError as error:
            log.warning("recording %s stopped: %s", self.id, error.strerror or error)
        finally:
            self._stopped.set()
            self._give_name(cut=not whole)

    def _write_all(self, files: RecordingFiles) -> bool:
        """Writes until the end; gives whether that was not before its time."""
        written = 0
        while (write := self._waiting.get()) is not None:
            if self._stopped.is_set():
                return False
            write(files)
            written += 1
            if written % ROOM_EVERY == 0:
                self._require_room()
        if self._stopped.is_set():
            return False
        files.finish()
        return True

    def _require_room(self) -> None:
        if not self._make_room():
            raise OSError("all recordings together are at their limit: see --recordings-max-mb")

    def _give_name(self, cut: bool) -> None:
        try:
            self._close(cut)
        except FileNotFoundError:
            return  # it could not even be begun
        except OSError as error:
            log.warning("recording %s keeps its unfinished name: %s", self.id, error.strerror)


def _write_step(files: RecordingFiles, record: StepRecord) -> None:
    files.step(record)
    if record.step % SYNC_STEPS == 0:
        files.sync()


def event_of(output: Ready | TextPiece | Notice | Summary) -> dict[str, object]:
    """Gives an event's line: its name as in the contract, its step and time, its fields."""
    kind = "text" if isinstance(output, TextPiece) else _snake(type(output).__name__)
    fields = asdict(output)
    step = fields.get("step")
    time = {} if step is None else {"time_ms": step * FRAME_MS}
    return {"event": kind, **time, **fields}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
