"""The codec's steppers: one frame in, one frame out, in any company."""

import numpy as np
import pytest
from kaiwa_server.audio import FRAME_SAMPLES, CodeFrame, PcmFrame
from kaiwa_server.codec.steppers import DecodeStepper, EncodeStepper
from kaiwa_server.models.mimi import Mimi
from tiny_mimi import TINY, any_codes, noise, tiny_mimi

SLOTS = 3


@pytest.fixture(scope="module")
def mimi() -> Mimi:
    return tiny_mimi()


def pcm_frames(count: int, seed: int) -> list[PcmFrame]:
    pieces = noise(count, seed)[0, 0].split(FRAME_SAMPLES)
    return [PcmFrame(index, piece.numpy()) for index, piece in enumerate(pieces)]


def code_frames(count: int, seed: int) -> list[CodeFrame]:
    tokens = any_codes(count, seed)[0].T.tolist()
    return [CodeFrame(index, tuple(frame)) for index, frame in enumerate(tokens)]


def test_a_frame_of_sound_becomes_a_frame_of_tokens_of_the_same_index(mimi: Mimi) -> None:
    stepper = EncodeStepper(mimi, SLOTS)
    stepper.begin(2, None)
    out = stepper.step({2: PcmFrame(41, np.zeros(FRAME_SAMPLES, np.float32))})
    assert out.keys() == {2}
    assert out[2].index == 41
    assert len(out[2].tokens) == TINY.num_codebooks
    assert all(type(token) is int for token in out[2].tokens)


def test_a_frame_of_tokens_becomes_a_frame_of_sound_of_the_same_index(mimi: Mimi) -> None:
    stepper = DecodeStepper(mimi, SLOTS)
    stepper.begin(0, None)
    out = stepper.step({0: CodeFrame(7, (1, 2, 3, 4))})
    assert out.keys() == {0}
    assert out[0].index == 7
    assert out[0].samples.shape == (FRAME_SAMPLES,)
    assert out[0].samples.dtype == np.float32


def test_a_slot_encodes_the_same_alone_and_beside_others(mimi: Mimi) -> None:
    ours, others = pcm_frames(6, seed=1), pcm_frames(6, seed=2)
    alone, together = EncodeStepper(mimi, SLOTS), EncodeStepper(mimi, SLOTS)
    for index, frame in enumerate(ours):
        inputs = {2: frame, 0: others[index]} if index % 2 else {2: frame}
        assert together.step(inputs)[2] == alone.step({1: frame})[1]


def test_a_slot_decodes_the_same_alone_and_beside_others(mimi: Mimi) -> None:
    ours, others = code_frames(6, seed=3), code_frames(6, seed=4)
    alone, together = DecodeStepper(mimi, SLOTS), DecodeStepper(mimi, SLOTS)
    for index, frame in enumerate(ours):
        inputs = {2: frame, 0: others[index]} if index % 2 else {2: frame}
        np.testing.assert_allclose(
            together.step(inputs)[2].samples,
            alone.step({1: frame})[1].samples,
            rtol=1e-4,
            atol=1e-4,
        )


def test_a_slot_that_begins_again_forgets_the_session_before(mimi: Mimi) -> None:
    encoder, fresh = EncodeStepper(mimi, SLOTS), EncodeStepper(mimi, SLOTS)
    for frame in pcm_frames(5, seed=5):
        encoder.step({1: frame})
    encoder.begin(1, None)
    for frame in pcm_frames(5, seed=6):
        assert encoder.step({1: frame}) == fresh.step({1: frame})


def test_what_was_decoded_before_is_not_heard_after_a_slot_begins_again(mimi: Mimi) -> None:
    decoder, fresh = DecodeStepper(mimi, SLOTS), DecodeStepper(mimi, SLOTS)
    for frame in code_frames(5, seed=7):
        decoder.step({1: frame})
    decoder.begin(1, None)
    for frame in code_frames(5, seed=8):
        np.testing.assert_array_equal(
            decoder.step({1: frame})[1].samples, fresh.step({1: frame})[1].samples
        )


def test_frames_it_gave_are_not_written_to_by_later_steps(mimi: Mimi) -> None:
    decoder = DecodeStepper(mimi, SLOTS)
    frames = code_frames(2, seed=9)
    given = decoder.step({0: frames[0]})[0].samples
    kept = given.copy()
    decoder.step({0: frames[1]})
    np.testing.assert_array_equal(given, kept)
