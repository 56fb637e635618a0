"""Whole conversations over real sockets: codec service, LM service, fake models."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from fake_services import FakeCodecService, FakeLmService, fake_codec_service, fake_lm_service
from fake_steppers import CODEBOOKS, POISON
from kaiwa.v1 import codec_pb2, frames_pb2, settings_pb2
from service_messages import converse_config, converse_frame, converse_settings, token_of
from serving_calls import all_of, failure_of, until


@dataclass
class Kaiwa:
    """Both services."""

    codec: FakeCodecService
    lm: FakeLmService

    @property
    def slots_used(self) -> tuple[int, int, int]:
        return (*self.codec.slots_used, self.lm.loop.slots_used)

    def converse(self, *requests: codec_pb2.CodecServiceConverseRequest) -> Any:
        """A call that sends these messages and half-closes."""
        return self.codec.stub.Converse(iter(requests))

    async def accepted(self) -> Any:
        """A call that was accepted and waits for frames."""
        call = self.codec.stub.Converse()
        await call.write(converse_config())
        assert (await anext(aiter(call))).HasField("accepted")
        return call

    async def is_empty(self) -> None:
        await until(lambda: self.slots_used == (0, 0, 0))


@pytest.fixture
async def kaiwa() -> AsyncIterator[Kaiwa]:
    async with fake_lm_service(slots=3) as lm, fake_codec_service(lm.target, slots=2) as codec:
        yield Kaiwa(codec, lm)


async def test_a_conversation_gets_a_step_for_each_frame_in_order_then_a_summary(
    kaiwa: Kaiwa,
) -> None:
    frames = [converse_frame(index, 20 + index) for index in range(30)]
    first, *steps, last = await all_of(kaiwa.converse(converse_config(seed=7), *frames))
    assert first.accepted.seed == 7
    assert first.accepted.model.name == "fake-lm"
    assert first.accepted.codec.name == "fake-codec"
    assert [response.step.record.step for response in steps] == list(range(31))
    heard = [list(response.step.record.user_tokens) for response in steps]
    assert heard == [[], *([20 + index] * CODEBOOKS for index in range(30))]
    assert not steps[0].step.HasField("moshi_frame")
    sounds = [response.step.moshi_frame for response in steps[1:]]
    assert [sound.index for sound in sounds] == list(range(30))
    assert [token_of(sound) for sound in sounds] == list(range(120, 150))
    assert last.summary.steps == 31
    await kaiwa.is_empty()


async def test_words_come_with_their_steps(kaiwa: Kaiwa) -> None:
    frames = [converse_frame(index) for index in range(40)]
    responses = await all_of(kaiwa.converse(converse_config(), *frames))
    steps = [response.step for response in responses if response.HasField("step")]
    assert all(step.text.step == step.record.step for step in steps if step.HasField("text"))
    text = "".join(" " * step.text.starts_word + step.text.text for step in steps)
    assert text.strip().startswith("My name My name")


async def test_settings_reach_the_lm_service_unchanged(kaiwa: Kaiwa) -> None:
    drop = settings_pb2.START_POLICY_DROP_FIRST_FRAME
    requests = converse_config(start_policy=drop), converse_frame(0), converse_frame(1)
    _, *steps, last = await all_of(kaiwa.converse(*requests))
    assert [response.step.record.step for response in steps] == [0, 1]
    assert last.summary.steps == 2
    failure = await failure_of(kaiwa.converse(converse_config(text_top_k=0)))
    assert failure[:2] == ("INVALID_ARGUMENT", "BAD_SETTINGS")
    assert "text_top_k is 0" in failure[2]


async def test_other_settings_reach_the_lm_service_in_order_and_its_records_come_back(
    kaiwa: Kaiwa,
) -> None:
    requests = [converse_config()]
    for index in range(20):
        if index % 3 == 2:
            requests.append(converse_settings(text_top_k=index))
        requests.append(converse_frame(index))
    _, *steps, _ = await all_of(kaiwa.converse(*requests))
    records = [response.step.record for response in steps]
    changed = {r.step: r.sampling.text_top_k for r in records if r.HasField("sampling")}
    assert changed == {index + 1: index for index in range(2, 20, 3)}
    assert records[3].sampling.audio_top_k == 250, "the record says all that is in force"


BAD_CALLS = {
    "frame first": ([converse_frame(0)], "INVALID_ARGUMENT", "CONFIG_MISSING"),
    "nothing": ([], "INVALID_ARGUMENT", "CONFIG_MISSING"),
    "two configs": ([converse_config()] * 2, "INVALID_ARGUMENT", "CONFIG_REPEATED"),
    "empty message": (
        [converse_config(), codec_pb2.CodecServiceConverseRequest()],
        "INVALID_ARGUMENT",
        "BAD_FRAME",
    ),
    "gap": ([converse_config(), converse_frame(1)], "INVALID_ARGUMENT", "BAD_FRAME"),
    "short": (
        [
            converse_config(),
            codec_pb2.CodecServiceConverseRequest(user_frame=frames_pb2.PcmFrame(samples=b"1234")),
        ],
        "INVALID_ARGUMENT",
        "BAD_FRAME",
    ),
    "hot in mid-call": (
        [converse_config(), converse_settings(text_temperature=9), converse_frame(0)],
        "INVALID_ARGUMENT",
        "BAD_SETTINGS",
    ),
    "encoder fails": ([converse_config(), converse_frame(0, POISON)], "INTERNAL", "MODEL_FAILED"),
    # The fake LM's answer to it is what the fake decoder cannot turn into sound.
    "decoder fails": (
        [converse_config(), converse_frame(0, POISON - 100 + 256)],
        "INTERNAL",
        "MODEL_FAILED",
    ),
}


@pytest.mark.parametrize(("requests", "status", "reason"), BAD_CALLS.values(), ids=BAD_CALLS)
async def test_a_bad_call_is_told_why_and_frees_its_slots_and_others_do_not_notice(
    kaiwa: Kaiwa,
    requests: list[codec_pb2.CodecServiceConverseRequest],
    status: str,
    reason: str,
) -> None:
    other = await kaiwa.accepted()
    assert (await failure_of(kaiwa.converse(*requests)))[:2] == (status, reason)
    await until(lambda: kaiwa.slots_used == (1, 1, 1))
    for index in range(5):
        await other.write(converse_frame(index))
    await other.done_writing()
    steps = [response for response in await all_of(other) if response.HasField("step")]
    assert len(steps) == 6


async def test_a_call_without_a_config_in_time_is_ended() -> None:
    async with fake_codec_service("127.0.0.1:1", first_message_timeout_s=0.1) as codec:
        failure = await failure_of(codec.stub.Converse())
    assert failure[:2] == ("DEADLINE_EXCEEDED", "CONFIG_TIMEOUT")


async def test_a_full_service_says_so_at_once_and_has_room_again_afterwards(kaiwa: Kaiwa) -> None:
    first, _second = await kaiwa.accepted(), await kaiwa.accepted()
    failure = await failure_of(kaiwa.converse(converse_config()))
    assert failure[:2] == ("RESOURCE_EXHAUSTED", "FULL")
    first.cancel()
    await until(lambda: kaiwa.slots_used == (1, 1, 1))
    assert (await all_of(kaiwa.converse(converse_config())))[-1].summary.steps == 1


async def test_a_full_lm_service_is_told_as_full(kaiwa: Kaiwa) -> None:
    for _ in range(3):
        kaiwa.lm.loop.open(None, lambda _: None)  # type: ignore[arg-type]
    status, reason, sentence = await failure_of(kaiwa.converse(converse_config()))
    assert (status, reason) == ("RESOURCE_EXHAUSTED", "FULL")
    assert sentence.startswith("all 3 slots are taken")
    await until(lambda: kaiwa.codec.slots_used == (0, 0))


@pytest.mark.parametrize("responses_read", range(6))
async def test_a_cancelled_call_frees_its_slots_wherever_it_was(
    kaiwa: Kaiwa, responses_read: int
) -> None:
    frames = [converse_frame(index) for index in range(50)]
    call = kaiwa.converse(converse_config(), *frames)
    responses = aiter(call)
    for _ in range(responses_read):
        await anext(responses)
    call.cancel()
    await kaiwa.is_empty()


@pytest.mark.parametrize("hanging", ["encode", "decode", "lm"])
async def test_a_call_that_is_cancelled_during_a_step_frees_its_slots(
    kaiwa: Kaiwa, hanging: str
) -> None:
    stepper: Any = {
        "encode": kaiwa.codec.encode_stepper,
        "decode": kaiwa.codec.decode_stepper,
        "lm": kaiwa.lm.stepper,
    }[hanging]
    call = await kaiwa.accepted()
    stepper.turning.clear()
    await call.write(converse_frame(0))
    await until(lambda: stepper.waiting)
    call.cancel()
    await kaiwa.is_empty()


async def test_the_lm_service_behind_is_told(kaiwa: Kaiwa) -> None:
    await kaiwa.accepted()
    info = await kaiwa.codec.stub.GetCodecInfo(codec_pb2.GetCodecInfoRequest())
    assert info.lm.model.name == "fake-lm"
    assert (info.lm.slots, info.lm.slots_used) == (3, 1)
