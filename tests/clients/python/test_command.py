"""The `kaiwa` command as people run it: a process, real files, a fake service."""

import asyncio
import json
import re
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
import soundfile
from clients.python.command_process import Ran, finish, kaiwa, start
from clients.python.fake_dialogue import FakeDialogue, Response, refuse, tone
from kaiwa.v1 import dialogue_pb2

Serve = Callable[[FakeDialogue], Awaitable[str]]
SHORT = ("--lead-s", "0.4", "--gap-s", "0.2", "--tail-s", "1.4")


@pytest.fixture
def question(tmp_path: Path) -> Path:
    """Half a second of a tone, stereo, at 44.1 kHz."""
    path = tmp_path / "question.wav"
    seconds = np.arange(22_050) / 44_100
    sound = 0.5 * np.sin(2 * np.pi * 300 * seconds)
    soundfile.write(path, np.stack([sound, sound], axis=1), 44_100)
    return path


@pytest.mark.parametrize("encoding", ["opus", "pcm", "mulaw"])
async def test_a_talk_leaves_voice_both_voices_picture_transcript_and_figures(
    serve: Serve, question: Path, tmp_path: Path, encoding: str
) -> None:
    server = await serve(FakeDialogue())
    files = ("reply.wav", "both.wav", "talk.png", "talk.txt", "talk.json")
    reply, both, picture, text, figures = (tmp_path / name for name in files)
    ran = await kaiwa(
        *("talk", question, *SHORT, "--format", encoding, "--seed", "9", "--out", reply),
        *("--stereo", both, "--plot", picture, "--transcript", text, "--json", figures),
        server=server,
    )
    assert ran.code == 0, ran.err
    assert ran.err == ""

    voice, rate_hz = soundfile.read(reply)
    assert rate_hz == 24_000
    frames = len(voice) // 1920
    assert frames == 28  # 2.3 s are 28 whole frames and a part of one
    expected = np.concatenate([tone(frame) for frame in range(frames)])
    settled = slice(2_400, -2_400)
    assert np.abs(voice[settled] - expected[settled]).max() < 0.03

    sides, _ = soundfile.read(both)
    assert len(sides) == 55_200
    assert not sides[: int(0.4 * 24_000) - 1, 0].any()
    assert np.abs(sides[int(0.45 * 24_000) : int(0.85 * 24_000), 0]).max() > 0.4
    assert np.abs(sides[: len(voice), 1] - voice).max() < 1e-4

    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 20_000
    assert text.read_text().splitlines()[:2] == [
        "  0.08 s  Moshi  Hello, I am Moshi",
        "  0.40 s  you    [question.wav]",
    ]

    document = json.loads(figures.read_text())
    assert document["session"]["seed"] == 9
    assert document["words"][0] == {"text": "Hello,", "at_s": 0.08}
    assert document["summary"]["frames_in"] == 28
    assert len(document["frames"]) == 27
    assert document["figures"]["mouth_to_ear_p50_ms"] >= 160


async def test_output_that_is_no_terminal_is_plain_lines(serve: Serve, question: Path) -> None:
    ran = await kaiwa("talk", question, *SHORT, "--seed", "9", server=await serve(FakeDialogue()))
    assert "\x1b" not in ran.out and "\r" not in ran.out
    lines = [line.rstrip() for line in ran.out.splitlines()]
    assert lines[0] == "talking with fake-moshi, seed 9"
    assert "  0.40 s  you    [question.wav]" in lines
    assert "  0.08 s  Moshi  Hello, I am Moshi" in lines
    assert "frames              28 in, 28 out" in lines
    assert "dropped, late       0, 1" in lines
    assert "lag in the service  p50 12 ms, p99 21 ms" in lines
    (delay,) = (line for line in lines if line.startswith("mouth to ear"))
    pattern = r"mouth to ear +p50 \d+ ms, p99 \d+ ms, max \d+ ms \(floor 160, goal 200\)"
    assert re.fullmatch(pattern, delay)


async def test_what_the_service_tells_on_the_way_is_shown(serve: Serve, question: Path) -> None:
    def extra(step: int) -> list[Response]:
        if step != 3:
            return []
        dropped = dialogue_pb2.FramesDropped(frames=1, total_frames=1)
        return [Response(event=dialogue_pb2.Event(step=3, frames_dropped=dropped))]

    ran = await kaiwa("talk", question, *SHORT, server=await serve(FakeDialogue(extra=extra)))
    assert "  0.24 s  note   1 frame of your sound left out: too late or too fast" in ran.out


async def test_settings_reach_the_service(serve: Serve, question: Path) -> None:
    fake = FakeDialogue()
    short = ("--lead-s", "0", "--tail-s", "0")
    server = await serve(fake)
    await kaiwa("talk", question, *short, "--greedy", "--audio-top-k", "7", server=server)
    settings = fake.configs[0].settings
    assert settings.HasField("text_temperature") and settings.text_temperature == 0
    assert settings.HasField("audio_temperature") and settings.audio_temperature == 0
    assert settings.audio_top_k == 7 and not settings.HasField("text_top_k")


async def test_a_refusal_is_the_service_s_sentence_and_no_traceback(
    serve: Serve, question: Path
) -> None:
    full = refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "FULL", "every slot is taken: try later")
    ran = await kaiwa("talk", question, server=await serve(FakeDialogue(before_ready=full)))
    assert (ran.code, ran.err) == (1, "FULL: every slot is taken: try later\n")


async def test_nobody_there_says_what_to_do(question: Path, unused_tcp_port: int) -> None:
    ran = await kaiwa("talk", question, server=f"127.0.0.1:{unused_tcp_port}")
    assert ran.code == 1
    assert ran.err.startswith("UNREACHABLE: no connection to 127.0.0.1:")
    assert "kaiwa-serve starts one" in ran.err


async def test_a_call_that_breaks_keeps_what_there_is(
    serve: Serve, question: Path, tmp_path: Path
) -> None:
    server = await serve(FakeDialogue(fail_at=6))
    ran = await kaiwa("talk", question, *SHORT, "--out", tmp_path / "reply.wav", server=server)
    assert (ran.code, ran.err) == (1, "LM_DOWN: gone\n")
    assert "6 heard, then it was cut off" in ran.out
    assert len(soundfile.read(tmp_path / "reply.wav")[0]) == 6 * 1920


async def test_ctrl_c_ends_the_talk_politely(serve: Serve, question: Path, tmp_path: Path) -> None:
    fake = FakeDialogue()
    reply = tmp_path / "reply.wav"
    process = await start(
        "talk", question, "--tail-s", "60", "--out", reply, server=await serve(fake)
    )
    while len(fake.packets) < 20:
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGINT)
    ran = await finish(process)
    assert ran.code == signal.SIGINT + 128
    assert ran.err == ""
    frames = len(fake.packets) // 4
    assert f"{frames} in, {frames} out" in ran.out
    assert ran.out.endswith(f"kept {reply}\n")
    assert len(soundfile.read(reply)[0]) == frames * 1920


async def test_ctrl_c_twice_does_not_wait_for_a_service_that_hangs(
    serve: Serve, question: Path
) -> None:
    fake = FakeDialogue(hang_at=2)
    process = await start("talk", question, server=await serve(fake))
    while len(fake.packets) < 12:
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGINT)
    await fake.half_closed.wait()
    process.send_signal(signal.SIGINT)
    ran = await finish(process)
    assert ran.code == 130
    assert "Traceback" not in ran.err
    assert "2 heard, then it was cut off" in ran.out


async def test_ctrl_c_before_the_service_is_ready_ends_at_once(
    serve: Serve, question: Path
) -> None:
    asked = asyncio.Event()

    async def never(context: grpc.aio.ServicerContext) -> None:
        asked.set()
        await asyncio.Event().wait()

    process = await start("talk", question, server=await serve(FakeDialogue(before_ready=never)))
    await asked.wait()
    process.send_signal(signal.SIGINT)
    assert await finish(process) == Ran(130, "", "")


async def test_files_are_checked_before_anybody_is_called(serve: Serve, tmp_path: Path) -> None:
    fake = FakeDialogue()
    server = await serve(fake)
    ran = await kaiwa("talk", tmp_path / "no.wav", server=server)
    assert (ran.code, ran.err) == (1, f"error: there is no file {tmp_path / 'no.wav'}\n")
    ran = await kaiwa("talk", "--out", tmp_path / "nowhere" / "reply.wav", server=server)
    assert ran.code == 1 and "there is no folder" in ran.err
    (tmp_path / "folder.wav").mkdir()
    for wrong, why in (
        (("--out", tmp_path / "reply.mp4"), "end its name with .wav"),
        (("--stereo", tmp_path / "both"), "end its name with .wav"),
        (("--plot", tmp_path / "talk.xyz"), "end its name with .png"),
        (("--out", tmp_path / "folder.wav"), "it is a folder"),
    ):
        ran = await kaiwa("talk", *wrong, server=server)
        assert ran.code == 1 and why in ran.err
    assert fake.configs == []


async def test_options_that_contradict_or_are_out_of_range_are_a_wrong_use(question: Path) -> None:
    for wrong in (("--mic",), ("--greedy", "--text-temperature", "1"), ("--seed", 2**63)):
        ran = await kaiwa("talk", question, *map(str, wrong), server="127.0.0.1:1")
        assert ran.code == 2 and "Traceback" not in ran.err


async def test_info_is_a_table_or_json(serve: Serve) -> None:
    server = await serve(FakeDialogue())
    table = await kaiwa("info", server=server)
    assert table.code == 0
    assert "fake-moshi (abababababab)" in table.out and "3000 steps (240 s)" in table.out
    document = json.loads((await kaiwa("info", "--json", server=server)).out)
    assert document["lm"]["fingerprint"] == "ab" * 32
    assert document["codec"]["frame_samples"] == 1920


async def test_info_of_nobody_is_an_error(unused_tcp_port: int) -> None:
    ran = await kaiwa("info", server=f"127.0.0.1:{unused_tcp_port}")
    assert ran.code == 1 and "UNREACHABLE" in ran.err


async def test_a_rendering_leaves_voice_both_voices_words_and_how_fast_it_was(
    serve: Serve, question: Path, tmp_path: Path
) -> None:
    fake = FakeDialogue()
    files = ("reply.wav", "both.wav", "reply.txt", "reply.json")
    reply, both, text, figures = (tmp_path / name for name in files)
    ran = await kaiwa(
        *("render", question, *SHORT, "--seed", "9", "--out", reply, "--stereo", both),
        *("--transcript", text, "--json", figures),
        server=await serve(fake),
    )
    assert (ran.code, ran.err) == (0, "")
    lines = [line.rstrip() for line in ran.out.splitlines()]
    assert lines[0] == "rendering with fake-moshi, seed 9"
    assert lines[1:3] == ["  0.08 s  Moshi  Hello, I am Moshi", "  0.40 s  you    [question.wav]"]
    assert "reply    2.24 s" in lines
    (took,) = (line for line in lines if line.startswith("took"))
    assert re.fullmatch(r"took +\d+\.\d\d s: \d+\.\d times as fast as it sounds", took)

    voice, rate_hz = soundfile.read(reply)
    assert rate_hz == 24_000 and len(voice) == 28 * 1920
    assert np.abs(voice - np.concatenate([tone(frame) for frame in range(28)])).max() < 1e-4
    sides, _ = soundfile.read(both)
    assert np.abs(sides[int(0.45 * 24_000) : int(0.85 * 24_000), 0]).max() > 0.4
    assert text.read_text().splitlines()[1] == "  0.40 s  you    [question.wav]"
    document = json.loads(figures.read_text())
    assert document["words"][0] == {"text": "Hello,", "at_s": 0.08}
    assert document["figures"]["mouth_to_ear_p50_ms"] is None and document["frames"] == []
    assert [config.silence_after_ms for config in fake.renders] == [1_400]


async def test_a_rendering_that_breaks_keeps_what_there_is(
    serve: Serve, question: Path, tmp_path: Path
) -> None:
    reply = tmp_path / "reply.wav"
    server = await serve(FakeDialogue(fail_at=10))
    ran = await kaiwa("render", question, *SHORT, "--out", reply, server=server)
    assert ran.code == 1 and ran.err == "LM_DOWN: gone\n"
    assert len(soundfile.read(reply)[0]) == 10 * 1920
    assert "then it was cut off" in ran.out


async def test_ctrl_c_ends_a_rendering_and_keeps_what_there_is(
    serve: Serve, question: Path, tmp_path: Path
) -> None:
    fake, reply = FakeDialogue(hang_at=10), tmp_path / "reply.wav"
    process = await start("render", question, "--out", reply, server=await serve(fake))
    await fake.half_closed.wait()
    process.send_signal(signal.SIGINT)
    ran = await finish(process)
    assert (ran.code, ran.err) == (130, "")
    assert "then it was cut off" in ran.out and reply.is_file()


@pytest.mark.parametrize("command", ["talk", "render", "info"])
async def test_help_has_a_sentence_and_an_example(command: str) -> None:
    ran = await kaiwa(command, "--help", server="127.0.0.1:1")
    assert ran.code == 0
    assert "Examples" in ran.out and f"  kaiwa {command} " in ran.out


async def test_the_command_without_its_packages_says_what_to_install() -> None:
    code = "import sys; sys.modules['typer'] = None; from kaiwa.__main__ import main; main()"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), stderr=asyncio.subprocess.PIPE
    )
    _, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode().strip() == "the kaiwa command needs typer: pip install 'kaiwa[client]'"
