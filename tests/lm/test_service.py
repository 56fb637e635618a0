"""The LM service over a real socket, with a fake model."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fake_services import FakeLmService, fake_lm_service
from fake_steppers import CODEBOOKS, POISON
from kaiwa.v1 import lm_pb2, settings_pb2
from service_messages import generate_config, generate_frame, generate_settings
from serving_calls import all_of, failure_of, until


@pytest.fixture
async def lm() -> AsyncIterator[FakeLmService]:
    async with fake_lm_service(slots=2) as service:
        yield service


def generate(lm: FakeLmService, *requests: lm_pb2.GenerateRequest) -> Any:
    """A call that sends these messages and half-closes."""
    return lm.stub.Generate(iter(requests))


async def accepted(lm: FakeLmService, **settings: Any) -> Any:
    """A call that was accepted and waits for frames."""
    call = lm.stub.Generate()
    await call.write(generate_config(**settings))
    assert (await anext(aiter(call))).HasField("accepted")
    return call


def admissions(lm: FakeLmService, result: str) -> float | None:
    labels = {"call": "Generate", "result": result}
    return lm.registry.get_sample_value("kaiwa_admissions_total", labels)


async def test_a_session_gets_a_step_for_each_frame_in_order_then_a_summary(
    lm: FakeLmService,
) -> None:
    frames = [generate_frame(index, token=20 + index) for index in range(10)]
    first, *steps, last = await all_of(generate(lm, generate_config(seed=7), *frames))
    assert first.accepted.seed == 7
    assert first.accepted.model.codebooks == CODEBOOKS
    assert [response.step.record.step for response in steps] == list(range(11))
    assert [list(response.step.record.user_tokens) for response in steps] == [
        [],
        *([20 + index] * CODEBOOKS for index in range(10)),
    ]
    assert [response.step.HasField("moshi_frame") for response in steps] == [False] + [True] * 10
    assert [response.step.moshi_frame.index for response in steps[1:]] == list(range(10))
    assert last.summary.steps == 11


async def test_step_0_runs_before_any_frame_when_the_first_frame_is_kept(lm: FakeLmService) -> None:
    call = await accepted(lm)
    step = (await anext(aiter(call))).step
    assert (step.record.step, list(step.record.user_tokens)) == (0, [])


async def test_the_first_frame_sets_off_step_0_when_it_is_dropped(lm: FakeLmService) -> None:
    dropped = generate_config(start_policy=settings_pb2.START_POLICY_DROP_FIRST_FRAME)
    _, *steps, last = await all_of(generate(lm, dropped, generate_frame(0), generate_frame(1)))
    assert [response.step.record.step for response in steps] == [0, 1]
    assert last.summary.steps == 2


async def test_the_inner_monologue_comes_as_words_with_their_steps(lm: FakeLmService) -> None:
    frames = [generate_frame(index) for index in range(40)]
    responses = await all_of(generate(lm, generate_config(), *frames))
    pieces = [r.step.text for r in responses if r.HasField("step") and r.step.HasField("text")]
    text = "".join(" " * piece.starts_word + piece.text for piece in pieces)
    assert text.strip().startswith("My name My name")
    assert [piece.step for piece in pieces] == sorted({piece.step for piece in pieces})


async def test_other_sampling_holds_from_the_step_of_the_next_frame_which_records_it(
    lm: FakeLmService,
) -> None:
    requests = (
        generate_config(seed=7, text_top_k=9),
        generate_frame(0),
        generate_settings(text_temperature=0.0),
        generate_settings(audio_top_k=3),
        generate_frame(1),
        generate_frame(2),
        generate_settings(text_temperature=2.5),
        generate_frame(3),
        generate_settings(audio_temperature=0.5),
    )
    _, *steps, _ = await all_of(generate(lm, *requests))
    records = [response.step.record for response in steps]
    changed = [record.step for record in records if record.HasField("sampling")]
    assert changed == [2, 4], "the last one comes too late for a step"
    first, second = records[2].sampling, records[4].sampling
    assert (first.text_temperature, first.text_top_k, first.audio_top_k) == (0, 9, 3)
    assert first.audio_temperature == pytest.approx(0.8), "what is left out stays as it is"
    assert (second.text_temperature, second.text_top_k, second.audio_top_k) == (2.5, 9, 3)


async def test_a_seed_is_chosen_when_none_is_given_and_differs_between_sessions(
    lm: FakeLmService,
) -> None:
    seeds = [(await all_of(generate(lm, generate_config())))[0].accepted.seed for _ in range(4)]
    assert len(set(seeds)) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)


async def test_the_model_and_its_slots_are_told(lm: FakeLmService) -> None:
    await accepted(lm)
    info = await lm.stub.GetModelInfo(lm_pb2.GetModelInfoRequest())
    assert (info.model.name, info.model.context_steps) == ("fake-lm", 160)
    assert (info.slots, info.slots_used) == (2, 1)


BAD_CALLS = {
    "frame first": ([generate_frame(0)], "INVALID_ARGUMENT", "CONFIG_MISSING"),
    "nothing": ([], "INVALID_ARGUMENT", "CONFIG_MISSING"),
    "two configs": ([generate_config()] * 2, "INVALID_ARGUMENT", "CONFIG_REPEATED"),
    "empty message": (
        [generate_config(), lm_pb2.GenerateRequest()],
        "INVALID_ARGUMENT",
        "BAD_FRAME",
    ),
    "gap": ([generate_config(), generate_frame(1)], "INVALID_ARGUMENT", "BAD_FRAME"),
    "seven tokens": (
        [generate_config(), generate_frame(0, codebooks=7)],
        "INVALID_ARGUMENT",
        "BAD_TOKEN",
    ),
    "large token": ([generate_config(), generate_frame(0, 256)], "INVALID_ARGUMENT", "BAD_TOKEN"),
    "negative token": ([generate_config(), generate_frame(0, -1)], "INVALID_ARGUMENT", "BAD_TOKEN"),
    "hot": ([generate_config(text_temperature=9.0)], "INVALID_ARGUMENT", "BAD_SETTINGS"),
    "no choice": ([generate_config(audio_top_k=0)], "INVALID_ARGUMENT", "BAD_SETTINGS"),
    "unknown policy": ([generate_config(start_policy=9)], "INVALID_ARGUMENT", "BAD_SETTINGS"),
    "negative seed": ([generate_config(seed=-1)], "INVALID_ARGUMENT", "BAD_SETTINGS"),
    "hot in mid-call": (
        [generate_config(), generate_frame(0), generate_settings(audio_temperature=5.5)],
        "INVALID_ARGUMENT",
        "BAD_SETTINGS",
    ),
    "seed in mid-call": (
        [generate_config(seed=1), generate_settings(seed=1)],
        "INVALID_ARGUMENT",
        "BAD_SETTINGS",
    ),
    "policy in mid-call": (
        [generate_config(), generate_settings(start_policy=1)],
        "INVALID_ARGUMENT",
        "BAD_SETTINGS",
    ),
    "poison": ([generate_config(), generate_frame(0, POISON)], "INTERNAL", "MODEL_FAILED"),
}


@pytest.mark.parametrize(("requests", "status", "reason"), BAD_CALLS.values(), ids=BAD_CALLS)
async def test_a_bad_call_is_told_why_and_frees_its_slot_and_others_do_not_notice(
    lm: FakeLmService, requests: list[lm_pb2.GenerateRequest], status: str, reason: str
) -> None:
    other = await accepted(lm)
    assert (await failure_of(generate(lm, *requests)))[:2] == (status, reason)
    await until(lambda: lm.loop.slots_used == 1)
    for index in range(5):
        await other.write(generate_frame(index))
    await other.done_writing()
    steps = [response for response in await all_of(other) if response.HasField("step")]
    assert len(steps) == 6


async def test_what_is_wrong_is_said_in_a_sentence(lm: FakeLmService) -> None:
    _, _, gap = await failure_of(generate(lm, generate_config(), generate_frame(3)))
    assert gap.startswith("frame 3 came where frame 0 was expected")
    _, _, token = await failure_of(generate(lm, generate_config(), generate_frame(0, 256)))
    assert token == "frame 0 has token 256 in codebook 0: tokens go from 0 to 255"
    _, _, count = await failure_of(generate(lm, generate_config(), generate_frame(0, codebooks=9)))
    assert count == "frame 0 has 9 tokens: send 8, one for each codebook"
    _, _, seed = await failure_of(generate(lm, generate_config(), generate_settings(seed=5)))
    assert seed == "seed holds for the whole call: leave it out in mid-call"


async def test_a_call_without_a_config_in_time_is_ended() -> None:
    async with fake_lm_service(first_message_timeout_s=0.1) as lm:
        failure = await failure_of(lm.stub.Generate())
    assert failure[:2] == ("DEADLINE_EXCEEDED", "CONFIG_TIMEOUT")


async def test_a_caller_that_falls_silent_is_ended_and_its_slot_freed() -> None:
    async with fake_lm_service(silence_s=0.1) as lm:
        failure = await failure_of(await accepted(lm))
        assert failure[:2] == ("DEADLINE_EXCEEDED", "CLIENT_SILENT")
        await until(lambda: lm.loop.slots_used == 0)


async def test_a_full_service_says_so_at_once_and_has_room_again_afterwards(
    lm: FakeLmService,
) -> None:
    first, _second = await accepted(lm), await accepted(lm)
    status, reason, _ = await failure_of(generate(lm, generate_config()))
    assert (status, reason) == ("RESOURCE_EXHAUSTED", "FULL")
    first.cancel()
    await until(lambda: lm.loop.slots_used == 1)
    assert (await all_of(generate(lm, generate_config())))[-1].summary.steps == 1
    assert admissions(lm, "FULL") == 1
    assert admissions(lm, "ACCEPTED") == 3


async def test_a_service_that_is_not_ready_says_so(lm: FakeLmService) -> None:
    await lm.server.set_ready(False)
    assert (await failure_of(generate(lm, generate_config())))[:2] == ("UNAVAILABLE", "NOT_READY")


@pytest.mark.parametrize("responses_read", range(5))
async def test_a_cancelled_call_frees_its_slot_wherever_it_was(
    lm: FakeLmService, responses_read: int
) -> None:
    call = generate(lm, generate_config(), *(generate_frame(index) for index in range(50)))
    responses = aiter(call)
    for _ in range(responses_read):
        await anext(responses)
    call.cancel()
    await until(lambda: lm.loop.slots_used == 0)


async def test_a_call_that_is_cancelled_during_its_step_frees_its_slot(lm: FakeLmService) -> None:
    lm.stepper.turning.clear()
    call = await accepted(lm)
    call.cancel()
    await until(lambda: lm.loop.slots_used == 0)


async def test_a_caller_that_does_not_read_is_soon_not_read_either(lm: FakeLmService) -> None:
    call = await accepted(lm)
    steps = "kaiwa_frames_total"

    async def send() -> None:
        for index in range(100_000):
            await call.write(generate_frame(index))

    sending = asyncio.create_task(send())
    # Flow control has filled when the steps stand still while the caller would go on sending.
    before = -1.0
    async with asyncio.timeout(30):
        while (now := lm.registry.get_sample_value(steps, {"loop": "lm"}) or 0.0) != before:
            before = now
            await asyncio.sleep(0.3)
    assert not sending.done()
    assert now < 50_000
    sending.cancel()
    call.cancel()
    await until(lambda: lm.loop.slots_used == 0)


async def test_a_reused_slot_begins_at_step_0(lm: FakeLmService) -> None:
    for _ in range(3):
        _, *steps, _ = await all_of(generate(lm, generate_config(), generate_frame(0)))
        assert [response.step.record.step for response in steps] == [0, 1]


async def test_steps_and_slots_are_measured(lm: FakeLmService) -> None:
    await all_of(generate(lm, generate_config(), *(generate_frame(index) for index in range(9))))
    loop = {"loop": "lm"}
    await until(lambda: lm.registry.get_sample_value("kaiwa_frames_total", loop) == 10)
    assert lm.registry.get_sample_value("kaiwa_slots", loop) == 2
    assert lm.registry.get_sample_value("kaiwa_slots_used", loop) == 0
    assert lm.registry.get_sample_value("kaiwa_step_seconds_count", loop) == 10
    assert lm.registry.get_sample_value("kaiwa_step_slots_sum", loop) == 10


async def test_a_killed_service_ends_its_calls(lm: FakeLmService) -> None:
    call = await accepted(lm)
    await lm.server.grpc.stop(0)
    status, _, _ = await failure_of(call)
    assert status in ("UNAVAILABLE", "CANCELLED")
    await until(lambda: lm.loop.slots_used == 0)
