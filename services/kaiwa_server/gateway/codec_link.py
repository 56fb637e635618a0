"""A session's call to the codec service: the user's frames out, steps back."""

from collections.abc import Mapping
from dataclasses import dataclass

import grpc
from google.protobuf import json_format
from kaiwa.v1 import codec_pb2, codec_pb2_grpc, frames_pb2, settings_pb2

from kaiwa_server.audio import PcmFrame
from kaiwa_server.errors import CodecDown
from kaiwa_server.gateway.session import CodecStep
from kaiwa_server.serving.frames import SAMPLES_FORMAT, pcm_frame
from kaiwa_server.serving.link import Link, ServiceBehind, record_of, text_of

INFO_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class CodecService(ServiceBehind):
    """The codec service behind this gateway."""

    name = "codec service"
    error = CodecDown

    stub: "codec_pb2_grpc.CodecServiceAsyncStub"

    async def info(self) -> codec_pb2.GetCodecInfoResponse | None:
        """Gives what it says of itself and of the LM service, or None if it cannot be reached."""
        try:
            request = codec_pb2.GetCodecInfoRequest()
            return await self.stub.GetCodecInfo(request, timeout=INFO_TIMEOUT_S)
        except grpc.aio.AioRpcError:
            return None

    async def is_well(self) -> bool:
        """Whether it and the LM service behind it answer."""
        info = await self.info()
        return info is not None and info.HasField("lm")


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the codec service said when it granted a session its slots."""

    seed: int
    model_name: str
    model_fingerprint: str
    context_steps: int
    keep_first_frame: bool
    settings: Mapping[str, object]
    """The contract's `SessionSettings` in JSON, with the seed in force."""


class CodecLink(Link[CodecStep]):
    """A session in the codec service for as long as the `with` block lasts.

    The settings go on as they are: the LM service judges them.
    """

    def __init__(self, service: CodecService, settings: settings_pb2.SessionSettings) -> None:
        super().__init__(service, service.stub.Converse)
        self._settings = settings
        self._steps_read = 0
        self._moshi_frames = 0

    async def open(self) -> Accepted:
        """Asks for a slot and gives what the codec service said when it granted one.

        Raises:
            CodecDown: there is no codec service, or it does not answer in time.
            Upstream: it refused, for instance because it is full.
        """
        config = codec_pb2.CodecServiceConverseConfig(settings=self._settings)
        granted: codec_pb2.CodecServiceConverseAccepted
        granted = await self._accepted(codec_pb2.CodecServiceConverseRequest(config=config))
        start_policy = self._settings.start_policy
        keep_first_frame = start_policy != settings_pb2.START_POLICY_DROP_FIRST_FRAME
        if keep_first_frame:
            self._watchdog.owe()  # step 0, which waits for no frame
        return Accepted(
            seed=granted.seed,
            model_name=granted.model.name,
            model_fingerprint=granted.model.fingerprint,
            context_steps=granted.model.context_steps,
            keep_first_frame=keep_first_frame,
            settings=self._settings_in_force(granted.seed),
        )

    def _settings_in_force(self, seed: int) -> Mapping[str, object]:
        settings = settings_pb2.SessionSettings()
        settings.CopyFrom(self._settings)
        settings.seed = seed
        in_json: Mapping[str, object] = json_format.MessageToDict(
            settings, preserving_proto_field_name=True
        )
        return in_json

    async def change(self, settings: Mapping[str, float]) -> None:
        """Asks the model for other settings, by the contract's names, from the next frame on."""
        message = settings_pb2.SessionSettings(**settings)  # type: ignore[arg-type]
        await self._write(codec_pb2.CodecServiceConverseRequest(settings=message))

    async def send(self, frame: PcmFrame) -> None:
        """Sends the user's next frame."""
        samples = frame.samples.astype(SAMPLES_FORMAT, copy=False).tobytes()
        message = frames_pb2.PcmFrame(index=frame.index, samples=samples)
        await self._ask(codec_pb2.CodecServiceConverseRequest(user_frame=message))

    def _step(self, message: codec_pb2.CodecServiceConverseStep) -> CodecStep:
        record = record_of(message)
        if record.step != self._steps_read:
            raise ValueError(f"step {record.step} came where step {self._steps_read} was expected")
        self._steps_read += 1
        frame = self._moshi_frame(message.moshi_frame) if message.HasField("moshi_frame") else None
        return CodecStep(record, frame, text_of(message))

    def _moshi_frame(self, message: frames_pb2.PcmFrame) -> PcmFrame:
        frame = pcm_frame(message.index, message.samples, self._moshi_frames)
        self._moshi_frames += 1
        return frame
