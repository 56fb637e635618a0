"""What a gateway keeps of the sessions that ask for it, and what it does when it cannot."""

import errno
import io
import json
import os
import stat
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import soundfile
from gateway.running_gateway import (
    FRAME_DATA,
    audio_message,
    config_message,
    dialogue,
    events_of,
    failure_of,
    read_all,
    running_gateway,
    until,
)
from kaiwa.journal import read_journal
from kaiwa_server.audio import PcmFrame
from kaiwa_server.gateway.outputs import (
    FramesConcealed,
    GoingAway,
    RecordingStopped,
    SamplingChanged,
)
from kaiwa_server.gateway.recording import Recording
from kaiwa_server.gateway.recording_files import JournalHeader, new_file
from kaiwa_server.gateway.recordings import Recordings
from kaiwa_server.gateway.session import CodecStep
from kaiwa_server.journal import Sampling, StepRecord, TextPiece

HEADER = JournalHeader("0123456789abcdef", "tiny", "ab" * 32, 160, {"seed": "7"})
NOW_S = datetime(2026, 1, 2, tzinfo=UTC).timestamp()
NAME = "20260102T000000Z-0123456789abcdef"
TONE = (0.3 * np.sin(np.arange(1920) * 2 * np.pi * 5 / 192)).astype(np.float32)
MB = 1_000_000


def folder_of(
    root: Path,
    max_bytes: int = MB,
    now_s: float = NOW_S,
    open_file: Callable[[Path], BinaryIO] = new_file,
) -> Recordings:
    return Recordings(root, max_bytes, max_days=30, clock=lambda: now_s, open_file=open_file)


def talk(recording: Recording, steps: int) -> list[object]:
    """So many steps in which the user says a tone, Moshi from its frame 10 on; gives notices."""
    told: list[object] = []
    for step in range(steps):
        if step:
            recording.hear(PcmFrame(step - 1, TONE))
        voice = TONE if step > 10 else np.zeros(1920, np.float32)
        record = StepRecord(step, 3, (1,) * 8, (2,) * 8 if step else ())
        frame = PcmFrame(step - 1, voice) if step else None
        told += recording.on_step(CodecStep(record, frame, None))
    return told


def kept(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.is_dir())


def record(recordings: Recordings, steps: int = 30, header: JournalHeader = HEADER) -> str:
    recording = recordings.recording(header)
    recording.start()
    talk(recording, steps)
    recording.end("NORMAL")
    recording.join()
    return recording.id


def test_a_recording_is_named_when_it_is_whole_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    recordings = folder_of(tmp_path / "kept")
    assert record(recordings) == NAME
    assert kept(tmp_path / "kept") == [NAME]
    folder = tmp_path / "kept" / NAME
    for path in (tmp_path / "kept", folder):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    recordings.close()


def test_the_journal_has_every_step_and_what_they_follow_from(tmp_path: Path) -> None:
    recordings = folder_of(tmp_path)
    record(recordings, steps=5)
    journal = read_journal(tmp_path / NAME)
    assert journal.settings == {"seed": "7"} and journal.model_fingerprint == "ab" * 32
    assert [step.user for step in journal.steps] == [(), *[(2,) * 8] * 4]
    recordings.close()


def test_the_journal_has_a_change_of_sampling_in_its_step(tmp_path: Path) -> None:
    recordings = folder_of(tmp_path)
    recording = recordings.recording(HEADER)
    recording.start()
    sampling = Sampling(0.5, 25, 0.8, 250)
    for step in range(3):
        changed = sampling if step == 1 else None
        record = StepRecord(step, 3, (1,) * 8, (2,) * 8 if step else (), changed)
        recording.on_step(CodecStep(record, None, None))
    recording.tell(SamplingChanged(1, sampling))
    recording.end("NORMAL")
    recording.join()
    journal = read_journal(tmp_path / NAME)
    assert [step.sampling for step in journal.steps] == [{}, asdict(sampling), {}]
    event = json.loads((tmp_path / NAME / "events.jsonl").read_text().splitlines()[0])
    assert event == {
        "event": "sampling_changed",
        "step": 1,
        "time_ms": 80,
        "sampling": asdict(sampling),
    }
    recordings.close()


def test_left_and_right_lie_where_the_session_heard_and_spoke_them(tmp_path: Path) -> None:
    recordings = folder_of(tmp_path)
    record(recordings, steps=30)
    sound, _ = soundfile.read(tmp_path / NAME / "talk.ogg", dtype="float32")
    assert sound.shape == (30 * 1920, 2)
    frames = np.abs(sound).reshape(30, 1920, 2).max(axis=1)
    # Step s hears the frame before it and speaks the frame after it.
    assert (frames[:29, 0] > 0.2).all() and frames[29, 0] < 0.1
    assert (frames[:10, 1] < 0.02).all() and (frames[11:, 1] > 0.2).all()
    recordings.close()


def test_events_have_their_name_step_time_and_fields(tmp_path: Path) -> None:
    recordings = folder_of(tmp_path)
    recording = recordings.recording(HEADER)
    recording.start()
    for output in (TextPiece(2, "Hi", True), FramesConcealed(3, 1, 4), GoingAway(5, 900)):
        recording.tell(output)
    recording.end("CLIENT_GONE")
    recording.join()
    lines = (tmp_path / NAME / "events.jsonl").read_text().splitlines()
    text, concealed, away, end = map(json.loads, lines)
    assert text == {"event": "text", "time_ms": 160, "step": 2, "text": "Hi", "starts_word": True}
    assert concealed["event"] == "frames_concealed" and concealed["total_frames"] == 4
    assert away["grace_ms"] == 900 and end["result"] == "CLIENT_GONE"
    recordings.close()


@pytest.mark.parametrize("lost_bytes", [1, 7, 40, 200, 500])
def test_files_that_are_cut_anywhere_are_readable_to_the_last_second(
    tmp_path: Path, lost_bytes: int
) -> None:
    recordings = folder_of(tmp_path)
    record(recordings, steps=50)
    recordings.close()
    folder = (tmp_path / NAME).rename(tmp_path / (NAME + ".unfinished"))
    for path in folder.iterdir():
        os.truncate(path, max(path.stat().st_size - lost_bytes, 0))

    folder_of(tmp_path).close()

    assert kept(tmp_path) == [NAME + "-cut"]
    assert len(read_journal(tmp_path / (NAME + "-cut")).steps) >= 50 - 13
    sound, _ = soundfile.read(tmp_path / (NAME + "-cut") / "talk.ogg", dtype="float32")
    assert len(sound) >= (50 - 13) * 1920


def test_what_is_written_is_in_the_files_before_the_recording_ends(tmp_path: Path) -> None:
    written = threading.Semaphore(0)

    class Told(io.FileIO):
        def write(self, data: object) -> int:  # type: ignore[override]
            count = super().write(data)  # type: ignore[arg-type]
            written.release()
            return count

    recordings = folder_of(tmp_path, open_file=lambda path: Told(path, "wb"))  # type: ignore[arg-type,return-value]
    recording = recordings.recording(HEADER)
    recording.start()
    talk(recording, steps=20)
    for _ in range(2 + 19 + 20):  # headers, sound, steps
        written.acquire()
    assert len(read_journal(tmp_path / (NAME + ".unfinished")).steps) == 20
    recording.end("NORMAL")
    recording.join()
    recordings.close()


def test_a_full_disk_ends_the_recording_with_a_mark_and_tells_it_once(tmp_path: Path) -> None:
    full = threading.Event()

    class Full(io.FileIO):
        def write(self, data: object) -> int:  # type: ignore[override]
            if self.tell() > 2_000:
                full.set()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data)  # type: ignore[arg-type]

    recordings = folder_of(tmp_path, open_file=lambda path: Full(path, "wb"))  # type: ignore[arg-type,return-value]
    recording = recordings.recording(HEADER)
    recording.start()
    talk(recording, steps=60)
    recording.join()
    assert full.is_set() and kept(tmp_path) == [NAME + "-cut"]
    step = CodecStep(StepRecord(60, 3, (1,) * 8, ()), None, None)
    assert recording.on_step(step) == [RecordingStopped(60)]
    later = CodecStep(StepRecord(61, 3, (1,) * 8, ()), None, None)
    assert recording.on_step(later) == []
    recording.end("NORMAL")
    assert read_journal(tmp_path / (NAME + "-cut")).steps
    recordings.close()


def test_a_disk_that_hangs_costs_the_recording_and_not_the_call(tmp_path: Path) -> None:
    thaw = threading.Event()

    class Hangs(io.FileIO):
        def write(self, data: object) -> int:  # type: ignore[override]
            thaw.wait()
            return super().write(data)  # type: ignore[arg-type]

    recordings = folder_of(tmp_path, open_file=lambda path: Hangs(path, "wb"))  # type: ignore[arg-type,return-value]
    recording = recordings.recording(HEADER)
    recording.start()
    told = talk(recording, steps=600)
    assert len(told) == 1 and isinstance(told[0], RecordingStopped)
    recording.end("NORMAL")
    thaw.set()
    recording.join()
    assert kept(tmp_path) == [NAME + "-cut"]
    recordings.close()


def test_the_oldest_recordings_make_room_for_new_ones(tmp_path: Path) -> None:
    for day in range(3):
        recordings = folder_of(tmp_path, now_s=NOW_S + day * 86_400)
        record(recordings)
        recordings.close()
    size = sum(file.stat().st_size for file in (tmp_path / NAME).iterdir())
    folder_of(tmp_path, max_bytes=int(size * 2.5), now_s=NOW_S + 3 * 86_400).close()
    assert [name[:8] for name in kept(tmp_path)] == ["20260103", "20260104"]


def test_a_recording_that_alone_is_over_the_limit_stays_until_another_needs_its_room(
    tmp_path: Path,
) -> None:
    recordings = folder_of(tmp_path, max_bytes=1)
    record(recordings)
    assert kept(tmp_path) == [NAME]
    other = recordings.recording(replace(HEADER, session_id="f" * 16))
    other.start()
    other.end("NORMAL")
    other.join()
    assert kept(tmp_path) == [NAME[:17] + "f" * 16]
    recordings.close()


def test_a_recording_that_cannot_be_begun_leaves_nothing(tmp_path: Path) -> None:
    class Full(io.FileIO):
        def write(self, data: object) -> int:  # type: ignore[override]
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    recordings = folder_of(tmp_path, open_file=lambda path: Full(path, "wb"))  # type: ignore[arg-type,return-value]
    recording = recordings.recording(HEADER)
    recording.start()
    recording.join()
    assert kept(tmp_path) == []
    step = CodecStep(StepRecord(0, 3, (1,) * 8, ()), None, None)
    assert recording.on_step(step) == [RecordingStopped(0)]
    recording.end("NORMAL")
    recordings.close()


def test_recordings_that_are_too_old_are_removed(tmp_path: Path) -> None:
    recordings = folder_of(tmp_path)
    record(recordings)
    recordings.close()
    folder_of(tmp_path, now_s=NOW_S + 29 * 86_400).close()
    assert kept(tmp_path) == [NAME]
    folder_of(tmp_path, now_s=NOW_S + 31 * 86_400).close()
    assert kept(tmp_path) == []


def test_what_is_not_a_recording_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "letters.unfinished").mkdir()
    (tmp_path / "letters.unfinished/a.txt").write_text("x" * 5_000)
    (tmp_path / "2026").mkdir()
    folder_of(tmp_path, max_bytes=1, now_s=NOW_S).close()
    assert kept(tmp_path) == ["2026", "letters.unfinished"]


def test_a_folder_belongs_to_one_gateway(tmp_path: Path) -> None:
    recordings = folder_of(tmp_path)
    with pytest.raises(OSError, match="a folder of its own"):
        folder_of(tmp_path)
    recordings.close()


def test_a_folder_that_cannot_be_made_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        folder_of(tmp_path / "file/kept")


async def test_a_session_that_may_not_be_recorded_is_refused_by_name() -> None:
    async with running_gateway() as gateway, dialogue(gateway) as call:
        request = config_message()
        request.config.record = True
        await call.write(request)
        status, reason, text = await failure_of(call)
        assert (status, reason) == ("FAILED_PRECONDITION", "RECORDING_NOT_PERMITTED")
        assert "leave `record` out" in text
        await gateway.is_empty()


@pytest.mark.parametrize("asked", [True, False])
async def test_only_a_session_that_asks_is_recorded(tmp_path: Path, asked: bool) -> None:
    async with running_gateway(recordings=tmp_path) as gateway, dialogue(gateway) as call:
        request = config_message(seed=9)
        request.config.record = asked
        await call.write(request)
        for _ in range(4):
            await call.write(audio_message(FRAME_DATA))
        await call.done_writing()
        responses = await read_all(call)
        name = responses[0].ready.recording_id
        await gateway.is_empty()
        if not asked:
            assert name == "" and kept(tmp_path) == []
            return
        assert name.endswith(responses[0].ready.session_id)
        await until(lambda: kept(tmp_path) == [name])
        journal = read_journal(tmp_path / name)
        assert journal.settings == {"seed": "9"} and len(journal.steps) == 5
        assert events_of(responses, "recording_stopped") == []
