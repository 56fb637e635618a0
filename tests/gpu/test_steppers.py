"""Steps as CUDA graphs write what a CPU writes in single precision, whoever else is there."""

import copy
import random
from typing import TypeVar

import numpy as np
import pytest
import torch
from kaiwa_server.audio import FRAME_SAMPLES, CodeFrame, PcmFrame
from kaiwa_server.codec.steppers import DecodeStepper, EncodeStepper
from kaiwa_server.lm.settings import LmSettings
from kaiwa_server.lm.stepper import LmStepper
from kaiwa_server.models.cuda.speedup import use_cuda_kernels
from kaiwa_server.models.mimi import Mimi
from models.tiny_lm import TINY, tiny_lm
from tiny_mimi import TINY as TINY_MIMI
from tiny_mimi import tiny_mimi
from torch import nn

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")

SLOTS = 70  # the buckets up to 64, and one of 70


ModelT = TypeVar("ModelT", bound=nn.Module)


def on_gpu(model: ModelT, *, eight_bits: bool = False) -> ModelT:
    """The model as it is served on a GPU, but in single precision."""
    moved = copy.deepcopy(model).to("cuda")
    use_cuda_kernels(moved, eight_bits=eight_bits)
    return moved


def lm_steppers() -> tuple[LmStepper, LmStepper]:
    """The same model on a CPU and on the GPU."""
    lm = tiny_lm()
    return LmStepper(lm, SLOTS), LmStepper(on_gpu(lm), SLOTS)


def heard(luck: random.Random, index: int) -> CodeFrame:
    return CodeFrame(
        index, tuple(luck.randrange(TINY.codebook_size) for _ in range(TINY.codebooks))
    )


def test_sessions_come_and_go_in_steps_of_every_size() -> None:
    """A token may differ only by what single precision leaves open, which is rarely a token."""
    luck = random.Random(1)
    steppers = lm_steppers()
    steppers[1].warm_up()
    written, differ = 0, 0
    for step in range(200):
        slots = luck.sample(range(SLOTS), luck.choice([1, 2, 3, 8, 20, 40, 64, 65, SLOTS]))
        for slot in slots:
            if step == 0 or luck.random() < 0.05:
                settings = LmSettings(text_top_k=10, seed=luck.getrandbits(63))
                for stepper in steppers:
                    stepper.begin(slot, settings)
        inputs = {slot: heard(luck, step) for slot in slots}
        expected, found = (stepper.step(inputs) for stepper in steppers)
        written += len(slots)
        for slot in slots:
            if found[slot] != expected[slot]:
                differ += 1  # from here on it is another session: both begin anew
                for stepper in steppers:
                    stepper.begin(slot, LmSettings(seed=0))
    assert written > 1000
    assert differ <= written // 500


def test_a_session_says_the_same_whoever_is_beside_it() -> None:
    lm = on_gpu(tiny_lm())
    alone, crowded = LmStepper(lm, SLOTS), LmStepper(lm, SLOTS)
    for stepper in (alone, crowded):
        for slot in range(SLOTS):
            stepper.begin(slot, LmSettings(seed=slot, text_temperature=0, audio_temperature=0))
    for step in range(3 * TINY.temporal.context):
        own = heard(random.Random(step), step)
        others = {slot: heard(random.Random(slot), step) for slot in range(step % 6 * 12)}
        expected = alone.step({SLOTS - 1: own})[SLOTS - 1]
        assert crowded.step(others | {SLOTS - 1: own})[SLOTS - 1] == expected


def test_a_step_that_is_captured_in_mid_call_leaves_the_calls_alone() -> None:
    steppers = lm_steppers()
    for stepper in steppers:
        for slot in (0, 1, 2):
            stepper.begin(slot, LmSettings(seed=slot, text_temperature=0, audio_temperature=0))
    luck = random.Random(2)
    for step in range(2 * TINY.temporal.context):
        inputs = {slot: heard(luck, step) for slot in range(1 + step % 3)}
        expected, found = (stepper.step(inputs) for stepper in steppers)
        assert found == expected


def test_8_bits_take_half_the_memory_of_16() -> None:
    lm = tiny_lm().to(torch.bfloat16)
    full, half = (LmStepper(on_gpu(lm, eight_bits=eight), 2) for eight in (False, True))
    # With a head of 8 numbers a scale is half as much again; with one of 128 it is 3%.
    assert half.slot_bytes < full.slot_bytes


@pytest.fixture
def codecs() -> tuple[Mimi, Mimi]:
    exact = tiny_mimi()
    return exact, on_gpu(exact)


def test_frames_are_encoded_and_decoded_as_on_a_cpu(codecs: tuple[Mimi, Mimi]) -> None:
    encoders = [EncodeStepper(mimi, 3) for mimi in codecs]
    decoders = [DecodeStepper(mimi, 3) for mimi in codecs]
    rng = np.random.default_rng(1)
    for slot in range(3):
        for stepper in (*encoders, *decoders):
            stepper.begin(slot, None)
    for frame in range(2 * TINY_MIMI.transformer.context):
        slots = range(1 + frame % 3)
        sound = {
            slot: PcmFrame(frame, 0.3 * rng.standard_normal(FRAME_SAMPLES, np.float32))
            for slot in slots
        }
        codes, found_codes = (encoder.step(sound) for encoder in encoders)
        assert found_codes == codes
        pcm, found_pcm = (decoder.step(codes) for decoder in decoders)
        for slot in slots:
            np.testing.assert_allclose(found_pcm[slot].samples, pcm[slot].samples, atol=1e-4)
