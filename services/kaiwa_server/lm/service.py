"""The LM service's contract: messages in, messages out, one slot of the step loop a call."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import grpc
from kaiwa.v1 import frames_pb2, lm_pb2, lm_pb2_grpc, settings_pb2

from kaiwa_server.engine.step_loop import StepLoop
from kaiwa_server.errors import BadFrame, BadSettings, ConfigMissing, ConfigRepeated
from kaiwa_server.lm.config import LmServiceConfig
from kaiwa_server.lm.settings import LmSettings
from kaiwa_server.lm.stepper import Resampled, StepInput, StepOutput
from kaiwa_server.lm.text import TextPieces, Tokenizer
from kaiwa_server.serving.calls import first_message
from kaiwa_server.serving.frames import code_frame
from kaiwa_server.serving.silence import unless_silent
from kaiwa_server.serving.slot_feed import SlotFeed
from kaiwa_server.serving.slot_metrics import SlotMetrics

Context = grpc.aio.ServicerContext[Any, Any]
LmStepLoop = StepLoop[LmSettings, StepInput, StepOutput]


@dataclass(frozen=True)
class LoadedLm:
    """What callers are told of the loaded model; see `ModelInfo` of the contract."""

    name: str
    fingerprint: str
    context_steps: int
    text_vocabulary_size: int
    codebooks: int
    codebook_size: int
    delays_steps: tuple[int, ...]


class LmServicer(lm_pb2_grpc.LmServiceServicer):
    """Answers the calls of `LmService`."""

    def __init__(
        self,
        config: LmServiceConfig,
        model: LoadedLm,
        loop: LmStepLoop,
        tokenizer: Tokenizer,
        metrics: SlotMetrics,
    ) -> None:
        self._config = config
        self._model = model
        self._loop = loop
        self._tokenizer = tokenizer
        self._metrics = metrics

    async def Generate(
        self, request_iterator: AsyncIterator[lm_pb2.GenerateRequest], context: Context
    ) -> AsyncIterator[lm_pb2.GenerateResponse]:
        """Holds one session: a slot from `accepted` to the end of the call."""
        with self._metrics.admission("Generate"):
            request = await first_message(request_iterator, self._config.first_message_timeout_s)
            if request.WhichOneof("request") != "config":
                raise ConfigMissing("the first message is not `config`: send it before the frames")
            settings = lm_settings(request.config.settings)
            feed = SlotFeed(self._loop, settings)
        with feed:
            accepted = lm_pb2.GenerateAccepted(seed=settings.seed, model=self._info())
            yield lm_pb2.GenerateResponse(accepted=accepted)
            requests = unless_silent(request_iterator, self._config.silence_s)
            pieces = TextPieces(self._tokenizer)
            async for output in feed.answers(self._inputs(requests, settings)):
                yield lm_pb2.GenerateResponse(step=step_message(output, pieces))
            summary = lm_pb2.GenerateSummary(steps=feed.answered)
            yield lm_pb2.GenerateResponse(summary=summary)

    async def GetModelInfo(
        self, request: lm_pb2.GetModelInfoRequest, context: Context
    ) -> lm_pb2.GetModelInfoResponse:
        """Tells what is loaded and how many sessions fit."""
        return lm_pb2.GetModelInfoResponse(
            model=self._info(), slots=self._loop.slots, slots_used=self._loop.slots_used
        )

    async def _inputs(
        self, requests: AsyncIterator[lm_pb2.GenerateRequest], settings: LmSettings
    ) -> AsyncIterator[StepInput]:
        """What the session's steps are given: its frames, after a step that is given none."""
        if settings.keep_first_frame:
            yield None
        expected_index = 0
        changed = False
        async for request in requests:
            match request.WhichOneof("request"):
                case "config":
                    raise ConfigRepeated("a second `config`: it is given once")
                case "settings":
                    settings = changed_settings(settings, request.settings)
                    changed = True
                    continue
                case None:
                    raise BadFrame("a message without a frame: send `user_frame`")
            message, model = request.user_frame, self._model
            frame = code_frame(
                message.index, message.tokens, expected_index, model.codebooks, model.codebook_size
            )
            yield Resampled(frame, settings.sampling) if changed else frame
            expected_index += 1
            changed = False

    def _info(self) -> lm_pb2.ModelInfo:
        return lm_pb2.ModelInfo(
            name=self._model.name,
            fingerprint=self._model.fingerprint,
            context_steps=self._model.context_steps,
            text_vocabulary_size=self._model.text_vocabulary_size,
            codebooks=self._model.codebooks,
            codebook_size=self._model.codebook_size,
            delays_steps=self._model.delays_steps,
        )


def lm_settings(message: settings_pb2.SessionSettings) -> LmSettings:
    """Reads a session's settings; the seed is chosen if none is given.

    Raises:
        BadSettings: one of them is outside its limits.
    """
    given = {field.name: value for field, value in message.ListFields()}
    start_policy = given.pop("start_policy", settings_pb2.START_POLICY_UNSPECIFIED)
    if start_policy not in settings_pb2.StartPolicy.values():
        raise BadSettings(f"start_policy {start_policy} is not known here: leave it out")
    given.setdefault("seed", secrets.randbits(63))
    keep_first_frame = start_policy != settings_pb2.START_POLICY_DROP_FIRST_FRAME
    return LmSettings(**given, keep_first_frame=keep_first_frame)


def changed_settings(settings: LmSettings, message: settings_pb2.SessionSettings) -> LmSettings:
    """Reads what a session changes in mid-call; what it leaves out stays as it is.

    Raises:
        BadSettings: one of them is outside its limits, or holds for the whole call.
    """
    given = {field.name: value for field, value in message.ListFields()}
    for name in ("seed", "start_policy"):
        if name in given:
            raise BadSettings(f"{name} holds for the whole call: leave it out in mid-call")
    return replace(settings, **given)


def step_message(output: StepOutput, pieces: TextPieces) -> lm_pb2.GenerateStep:
    """Writes what one step did."""
    record = frames_pb2.StepRecord(
        step=output.record.step,
        text_token=output.record.text_token,
        moshi_tokens=output.record.moshi_tokens,
        user_tokens=output.record.user_tokens,
    )
    if output.record.sampling:
        record.sampling.CopyFrom(settings_pb2.Sampling(**asdict(output.record.sampling)))
    message = lm_pb2.GenerateStep(record=record)
    if output.frame:
        moshi_frame = frames_pb2.CodeFrame(index=output.frame.index, tokens=output.frame.tokens)
        message.moshi_frame.CopyFrom(moshi_frame)
    if piece := pieces.piece(output.record.step, output.record.text_token):
        message.text.step, message.text.text = piece.step, piece.text
        message.text.starts_word = piece.starts_word
    return message
