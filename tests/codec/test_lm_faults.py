"""What a conversation is told when the LM service is dead, frozen, different or mad."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from fake_services import LM, FakeCodecService, fake_codec_service, fake_lm_service
from fake_steppers import CODEBOOK_SIZE, CODEBOOKS
from kaiwa.v1 import frames_pb2, lm_pb2, lm_pb2_grpc
from service_messages import codes, converse_config, converse_frame
from serving_calls import all_of, failure_of, served, until

QUICK = {"lm_accept_s": 0.2, "lm_answer_s": 0.2}
Script = Callable[[AsyncIterator[Any]], AsyncIterator[lm_pb2.GenerateResponse]]


class ScriptedLm(lm_pb2_grpc.LmServiceServicer):
    """Answers Generate as a test's script says."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def Generate(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
        async for response in self._script(request_iterator):
            yield response


@asynccontextmanager
async def codec_before(script: Script) -> AsyncIterator[FakeCodecService]:
    add = lm_pb2_grpc.add_LmServiceServicer_to_server
    async with (
        served(add, ScriptedLm(script)) as (server, _),
        fake_codec_service(f"127.0.0.1:{server.port}", **QUICK) as codec,
    ):
        yield codec


def converse(codec: FakeCodecService, frames: int = 3) -> Any:
    """A call that sends a config and frames and half-closes."""
    requests = converse_config(), *(converse_frame(index) for index in range(frames))
    return codec.stub.Converse(iter(requests))


def accept() -> lm_pb2.GenerateResponse:
    model = lm_pb2.ModelInfo(codebooks=CODEBOOKS, codebook_size=CODEBOOK_SIZE, context_steps=160)
    return lm_pb2.GenerateResponse(accepted=lm_pb2.GenerateAccepted(model=model))


def step(index: int, frame: frames_pb2.CodeFrame | None = None) -> lm_pb2.GenerateResponse:
    record = frames_pb2.StepRecord(step=index, moshi_tokens=[1] * CODEBOOKS)
    return lm_pb2.GenerateResponse(step=lm_pb2.GenerateStep(record=record, moshi_frame=frame))


def summary() -> lm_pb2.GenerateResponse:
    return lm_pb2.GenerateResponse(summary=lm_pb2.GenerateSummary())


async def forever() -> None:
    await asyncio.Event().wait()


async def heard(requests: AsyncIterator[Any], frames: int) -> None:
    for _ in range(1 + frames):  # the config is the first message
        await anext(requests)


async def never_accepting(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    await forever()
    yield


async def never_answering(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield accept()
    await forever()


async def freezing_after_two_steps(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield accept()
    yield step(0)
    await heard(requests, frames=1)
    yield step(1, codes(0, 1))
    await forever()


async def forgetting_the_summary(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield accept()
    async for _ in requests:
        pass
    for index in range(4):
        yield step(index)


async def holding_the_summary_back(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield accept()
    async for _ in requests:
        pass
    for index in range(4):
        yield step(index)
    await forever()


async def summing_up_too_early(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield accept()
    yield summary()
    await forever()


async def summing_up_with_steps_owed(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield accept()
    async for _ in requests:
        pass
    yield step(0)
    yield summary()


async def stepping_in_place_of_the_summary(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield accept()
    async for _ in requests:
        pass
    for index in range(5):
        yield step(index)


async def stepping_before_accepting(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield step(0)
    await forever()


async def skipping_a_step(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield accept()
    yield step(0)
    await heard(requests, frames=1)
    yield step(2)
    await forever()


async def stepping_unasked(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield accept()
    for index in range(100):
        yield step(index)
    await forever()


async def speaking_outside_the_codebook(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield accept()
    yield step(0)
    await heard(requests, frames=1)
    yield step(1, codes(0, CODEBOOK_SIZE))
    await forever()


async def ending_before_accepting(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    return
    yield


FAULTS = {
    never_accepting: "did not accept the session within 0.2 s",
    never_answering: "left a frame unanswered for 0.2 s",
    freezing_after_two_steps: "left a frame unanswered for 0.2 s",
    forgetting_the_summary: "ended the session without a summary",
    holding_the_summary_back: "left a frame unanswered for 0.2 s",
    skipping_a_step: "answered nonsense (expected the record of step 1, got 2)",
    summing_up_too_early: "answered nonsense (`summary` where a step was owed)",
    summing_up_with_steps_owed: "answered nonsense (`summary` where a step was owed)",
    stepping_in_place_of_the_summary: "answered nonsense (`step` where a summary was owed)",
    stepping_before_accepting: "answered nonsense (the first response is not `accepted`)",
    stepping_unasked: "answered nonsense (an answer that nobody asked for)",
    speaking_outside_the_codebook: "answered nonsense (frame 0 has token 256 in codebook 0",
    ending_before_accepting: "ended the session before accepting it",
}


@pytest.mark.parametrize(
    ("script", "sentence"), FAULTS.items(), ids=[script.__name__ for script in FAULTS]
)
async def test_a_broken_lm_service_is_told_as_down_with_what_is_wrong(
    script: Script, sentence: str
) -> None:
    async with codec_before(script) as codec:
        status, reason, told = await failure_of(converse(codec))
        assert (status, reason) == ("UNAVAILABLE", "LM_DOWN")
        assert told.startswith("the LM service at 127.0.0.1:")
        assert sentence in told
        await until(lambda: codec.slots_used == (0, 0))


async def test_a_session_that_the_lm_service_ends_at_once_is_always_told_the_same_way() -> None:
    # grpc.aio lets the config's late write hide the end in one call of a hundred.
    async with codec_before(ending_before_accepting) as codec:
        for _ in range(300):
            _, _, told = await failure_of(converse(codec))
            assert FAULTS[ending_before_accepting] in told


async def test_without_an_lm_service_a_conversation_is_told_where_it_was_looked_for() -> None:
    async with fake_codec_service("127.0.0.1:1") as codec:
        status, reason, told = await failure_of(converse(codec))
        assert (status, reason) == ("UNAVAILABLE", "LM_DOWN")
        assert told.startswith("the LM service at 127.0.0.1:1 is gone")
        await until(lambda: codec.slots_used == (0, 0))


async def test_an_lm_service_that_ends_during_a_conversation_is_told_as_down() -> None:
    async with fake_lm_service() as lm, fake_codec_service(lm.target) as codec:
        call = codec.stub.Converse()
        await call.write(converse_config())
        assert (await anext(aiter(call))).HasField("accepted")
        await lm.server.grpc.stop(0)
        assert (await failure_of(call))[:2] == ("UNAVAILABLE", "LM_DOWN")
        await until(lambda: codec.slots_used == (0, 0))


async def test_an_lm_service_that_is_loading_is_told_as_not_ready() -> None:
    async with fake_lm_service() as lm, fake_codec_service(lm.target) as codec:
        await lm.server.set_ready(False)
        assert (await failure_of(converse(codec)))[:2] == ("UNAVAILABLE", "NOT_READY")
        await lm.server.set_ready(True)
        assert (await all_of(converse(codec)))[-1].summary.steps == 4


async def test_an_lm_of_other_codebooks_is_refused() -> None:
    other = replace(LM, codebook_size=2048)
    async with fake_lm_service(model=other) as lm, fake_codec_service(lm.target) as codec:
        status, reason, told = await failure_of(converse(codec))
        assert (status, reason) == ("FAILED_PRECONDITION", "NOT_SUPPORTED")
        assert "speaks 8 codebooks of 2048, this codec 8 of 256" in told
        await until(lambda: codec.slots_used == (0, 0) and lm.loop.slots_used == 0)


async def test_a_silent_user_is_not_taken_for_a_frozen_lm_service() -> None:
    async with fake_lm_service() as lm, fake_codec_service(lm.target, **QUICK) as codec:
        call = codec.stub.Converse()
        await call.write(converse_config())
        responses = aiter(call)
        await anext(responses)
        assert (await anext(responses)).step.record.step == 0
        # Longer than an answer may take.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await asyncio.Event().wait()
        await call.write(converse_frame(0))
        assert (await anext(responses)).step.record.step == 1
        call.cancel()
