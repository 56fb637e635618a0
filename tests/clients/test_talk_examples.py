"""The `talk` example of each language, built and run as its README says."""

import os
import shutil
import struct
import subprocess
import sys
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from kaiwa.v1 import dialogue_pb2, dialogue_pb2_grpc

CLIENTS = Path(__file__).parents[2] / "clients"
QUESTION_WAV = CLIENTS / "python/kaiwa/questions/name.wav"
DEBIAN_GO_PACKAGES = Path("/usr/share/gocode")
DEBIAN_JARS = Path("/usr/share/java")
FRAME_BYTES = 2 * 1920
SILENCE_MS = 5_000
SOUND = struct.pack("<2000h", *range(-1000, 1000))
# Seeds go up to this, which no double can hold.
SEED = 2**63 - 1


@dataclass
class FakeGateway(dialogue_pb2_grpc.DialogueServiceServicer):
    """Says `Hello there` and sends each piece of sound back; remembers what it was sent."""

    full: bool = False
    address: str = ""
    configs: list[dialogue_pb2.ConverseConfig] = field(default_factory=list)
    sound: list[bytes] = field(default_factory=list)

    def Converse(self, request_iterator: Any, context: Any) -> Iterator[Any]:
        if self.full:
            context.set_trailing_metadata((("kaiwa-reason", "FULL"),))
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "every slot is taken")
        self.configs.append(next(request_iterator).config)
        yield dialogue_pb2.ConverseResponse(ready=dialogue_pb2.Ready(session_id="1", seed=SEED))
        for text, starts_word in (("Hel", True), ("lo", False), ("there", True)):
            piece = dialogue_pb2.Text(text=text, starts_word=starts_word, step=1, time_ms=80)
            yield dialogue_pb2.ConverseResponse(text=piece)
        for index, request in enumerate(request_iterator):
            self.sound.append(request.audio.data)
            audio = dialogue_pb2.OutputAudio(frame_index=index, data=request.audio.data)
            yield dialogue_pb2.ConverseResponse(audio=audio)
        frames = len(self.sound)
        summary = dialogue_pb2.Summary(frames_in=frames, frames_out=frames, seed=SEED)
        yield dialogue_pb2.ConverseResponse(summary=summary)


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    """A gateway without a model, on a free port."""
    with ThreadPoolExecutor(max_workers=2) as threads:
        server = grpc.server(threads)
        gateway = FakeGateway()
        dialogue_pb2_grpc.add_DialogueServiceServicer_to_server(gateway, server)
        gateway.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        yield gateway
        server.stop(0).wait()


@pytest.fixture(scope="session", params=["typescript", "go", "java", "cpp"])
def talk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of one language's example, freshly built."""
    if request.param == "java":
        return ["java", "-jar", build_java_example(tmp_path_factory.mktemp("java"))]
    if request.param == "go":
        return [build_go_example(tmp_path_factory.mktemp("go"))]
    if request.param == "cpp":
        return [build_cpp_example(tmp_path_factory.mktemp("cpp"))]
    package = CLIENTS / "typescript"
    if not (package / "node_modules").exists():
        pytest.skip("clients/typescript is not installed: npm --prefix clients/typescript ci")
    subprocess.run(["npm", "--prefix", package, "run", "--silent", "build"], check=True)
    return ["node", str(package / "dist/examples/talk.js")]


def build_java_example(folder: Path) -> str:
    """Builds with the libraries that Debian packages."""
    tools = ("javac", "protoc", "grpc_java_plugin")
    libraries = ("grpc-netty", "netty-codec-http2", "perfmark-api", "geronimo-annotation-1.3-spec")
    jars = [DEBIAN_JARS / f"{library}.jar" for library in libraries]
    if not all(map(shutil.which, tools)) or not all(jar.exists() for jar in jars):
        pytest.skip("needs a JDK and the other Debian packages that clients/java/README.md names")
    subprocess.run([CLIENTS / "java/build.sh", folder], check=True)
    return str(folder / "talk.jar")


def build_go_example(folder: Path) -> str:
    """Builds with the libraries that Debian packages, where there are no modules."""
    go = shutil.which("go", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if go is None or not (DEBIAN_GO_PACKAGES / "src/google.golang.org/grpc").exists():
        pytest.skip("needs Go, golang-google-grpc-dev and golang-google-protobuf-dev")
    (folder / "src").mkdir()
    (folder / "src/kaiwa").symlink_to(CLIENTS / "go")
    subprocess.run(
        [go, "build", "-o", folder / "talk", "kaiwa/examples/talk"],
        env={**os.environ, "GO111MODULE": "off", "GOPATH": f"{folder}:{DEBIAN_GO_PACKAGES}"},
        check=True,
    )
    return str(folder / "talk")


def build_cpp_example(folder: Path) -> str:
    """Generates the contract's code with the protoc that is installed, and compiles it."""
    tools = ("cmake", "g++", "grpc_cpp_plugin", "pkg-config")
    libraries = ["pkg-config", "--exists", "grpc++", "protobuf"]
    if not all(map(shutil.which, tools)) or subprocess.run(libraries).returncode != 0:
        pytest.skip("needs cmake, g++, libgrpc++-dev, libprotobuf-dev and protobuf-compiler-grpc")
    subprocess.run(["cmake", "-S", CLIENTS / "cpp", "-B", folder], check=True)
    subprocess.run(["cmake", "--build", folder], check=True)
    return str(folder / "talk")


def write_wav(path: Path, samples: bytes, sample_rate_hz: int = 24_000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, sample_rate_hz, 0, "NONE", ""))
        file.writeframes(samples)
    return path


def read_wav(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        assert file.getparams()[:3] == (1, 2, 24_000)
        return file.readframes(file.getnframes())


def run(command: list[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    line = [*command, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60)


def test_the_whole_question_is_heard_and_the_whole_reply_is_kept(
    talk: list[str], gateway: FakeGateway, tmp_path: Path
) -> None:
    question = write_wav(tmp_path / "question.wav", SOUND)
    result = run(talk, question, tmp_path / "reply.wav", gateway.address)
    assert result.returncode == 0, result.stderr
    sent = b"".join(gateway.sound)
    assert sent[: len(SOUND)] == SOUND
    assert len(sent) - len(SOUND) == pytest.approx(SILENCE_MS * 48, abs=FRAME_BYTES)
    assert not any(sent[len(SOUND) :])
    assert {len(data) for data in gateway.sound[:-1]} == {FRAME_BYTES}
    assert read_wav(tmp_path / "reply.wav") == sent
    frames = len(gateway.sound)
    assert result.stdout == f"Hello there\n{frames} frames heard, {frames} spoken\n"
    for audio_format in (gateway.configs[0].input_format, gateway.configs[0].output_format):
        assert audio_format.encoding == dialogue_pb2.AUDIO_ENCODING_PCM_S16LE


def test_a_refusal_is_told_with_its_reason(
    talk: list[str], gateway: FakeGateway, tmp_path: Path
) -> None:
    gateway.full = True
    question = write_wav(tmp_path / "question.wav", SOUND)
    result = run(talk, question, tmp_path / "reply.wav", gateway.address)
    assert result.returncode == 1
    assert "FULL" in result.stderr and "every slot is taken" in result.stderr
    assert not (tmp_path / "reply.wav").exists()


def test_a_question_at_another_rate_is_refused(
    talk: list[str], gateway: FakeGateway, tmp_path: Path
) -> None:
    question = write_wav(tmp_path / "question.wav", SOUND, sample_rate_hz=16_000)
    result = run(talk, question, tmp_path / "reply.wav", gateway.address)
    assert result.returncode == 1
    assert "16-bit mono" in result.stderr and not gateway.sound


def test_a_real_gateway_answers_in_words_and_sound(
    talk: list[str], stack: Any, tmp_path: Path
) -> None:
    result = run(talk, QUESTION_WAV, tmp_path / "reply.wav", stack.gateway)
    assert result.returncode == 0, result.stderr
    words, summary = result.stdout.rstrip("\n").rsplit("\n", 1)
    heard, spoken = (int(word) for word in summary.split() if word.isdigit())
    assert words.strip()
    assert heard == spoken > SILENCE_MS / 80
    assert len(read_wav(tmp_path / "reply.wav")) == spoken * FRAME_BYTES
