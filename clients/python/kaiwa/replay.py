"""Plays a session's journal to an LM service again, and finds the step where it differs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import json_format

from kaiwa.client import CHANNEL_OPTIONS
from kaiwa.errors import KaiwaError, error_of
from kaiwa.journal import BadJournal, Journal, Step
from kaiwa.v1 import frames_pb2, lm_pb2, lm_pb2_grpc, settings_pb2

ANSWER_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Difference:
    """The first step in which the session goes another way: what it wrote then, and now."""

    step: int
    expected: Step
    came: Step


async def replay(
    journal: Journal,
    target: str,
    *,
    any_model: bool = False,
    on_step: Callable[[int], None] = lambda steps: None,
    answer_within_s: float = ANSWER_WITHIN_S,
) -> Difference | None:
    """Plays a session again, as fast as the LM service at `target` (host:port) can.

    The LM is given the session's settings, its seed, and in each step the user's tokens of then,
    and the sampling that was changed before it; what it writes is compared with the journal, up to
    the first step that differs: all that come after it follow from it. Gives None where every token
    is equal. `on_step` is told how many steps have been compared.

    A journal has every step of its session, so the session may be longer than the context; for one
    that was held the steps simply go on, since the model's clock stood meanwhile.

    Raises:
        BadJournal: its settings cannot be read.
        KaiwaError: the service cannot be reached or refuses, its model has other weights
            (OTHER_MODEL, unless `any_model`), or a step does not come in time.
    """
    requests = iter(_requests(journal))
    async with grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS) as channel:
        call = lm_pb2_grpc.LmServiceStub(channel).Generate(requests)
        try:
            async with aclosing(_responses(call, target, answer_within_s)) as responses:
                accepted = await anext(responses)
                if not any_model:
                    _check_model(journal, accepted.accepted.model)
                return await _compare(journal, responses, target, on_step)
        finally:
            call.cancel()


def _requests(journal: Journal) -> list[lm_pb2.GenerateRequest]:
    """Gives what the session's LM was sent: its settings, then each frame, with what changed."""
    settings = _settings("the header", journal.settings)
    config = lm_pb2.GenerateConfig(settings=settings)
    requests = [lm_pb2.GenerateRequest(config=config)]
    index = 0
    for number, step in enumerate(journal.steps):
        if step.sampling:
            changed = _settings(f"step {number}", step.sampling)
            requests.append(lm_pb2.GenerateRequest(settings=changed))
        if step.user:
            frame = frames_pb2.CodeFrame(index=index, tokens=step.user)
            requests.append(lm_pb2.GenerateRequest(user_frame=frame))
            index += 1
    return requests


def _settings(where: str, in_json: Mapping[str, Any]) -> settings_pb2.SessionSettings:
    try:
        return json_format.ParseDict(dict(in_json), settings_pb2.SessionSettings())
    except json_format.ParseError as error:
        raise BadJournal(f"the settings in {where} are not a session's: {error}") from None


async def _responses(
    call: grpc.aio.StreamStreamCall[lm_pb2.GenerateRequest, lm_pb2.GenerateResponse],
    target: str,
    answer_within_s: float,
) -> AsyncGenerator[lm_pb2.GenerateResponse, None]:
    responses = aiter(call)
    try:
        while True:
            async with asyncio.timeout(answer_within_s):
                response = await anext(responses, None)
            if response is None:
                return
            yield response
    except grpc.aio.AioRpcError as failure:
        raise error_of(failure, target) from None
    except TimeoutError:
        text = f"{target} did not answer within {answer_within_s:g} s"
        raise KaiwaError("DEADLINE_EXCEEDED", "NO_ANSWER", text) from None


def _check_model(journal: Journal, model: lm_pb2.ModelInfo) -> None:
    if model.fingerprint != journal.model_fingerprint:
        raise KaiwaError(
            "FAILED_PRECONDITION",
            "OTHER_MODEL",
            f"the session was {journal.model_name}'s ({journal.model_fingerprint[:12]}), the LM "
            f"service has {model.name} ({model.fingerprint[:12]}): start it with the same weights, "
            "or compare nonetheless with --any-model",
        )


async def _compare(
    journal: Journal,
    responses: AsyncIterator[lm_pb2.GenerateResponse],
    target: str,
    on_step: Callable[[int], None],
) -> Difference | None:
    for number, expected in enumerate(journal.steps):
        response = await anext(responses, None)
        if response is None or not response.HasField("step"):
            text = f"{target} ended the session at step {number} of {len(journal.steps)}"
            raise KaiwaError("UNKNOWN", "NO_SUMMARY", text)
        record = response.step.record
        came = Step(record.text_token, tuple(record.moshi_tokens), tuple(record.user_tokens))
        if came != expected:
            return Difference(number, expected, came)
        on_step(number + 1)
    return None
