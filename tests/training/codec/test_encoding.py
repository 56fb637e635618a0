"""Clips are encoded many at a time, each as if it were a session of its own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from kaiwa_server.models.mimi import Mimi
from kaiwa_training import checkpoints
from kaiwa_training.codec import encoding
from kaiwa_training.codec.encoding import ROWS, encode, hearing, load_mimi, whole_frames
from kaiwa_training.codec.heads import LABELS_PER_FRAME, PhoneticHeads
from numpy.typing import NDArray
from tiny_mimi import TINY, tiny_mimi

Codes = NDArray[np.uint16]


def clips(*lengths: int) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(1)
    return [rng.normal(0, 0.2, frames * 1920).astype(np.float32) for frames in lengths]


@torch.inference_mode()
def streamed(mimi: Mimi, clip: NDArray[np.float32]) -> Codes:
    """What a session of the served codec gives."""
    state, rows = mimi.new_encoder_state(1), torch.tensor([0])
    frames = torch.from_numpy(clip).view(1, 1, -1).split(1920, dim=-1)
    codes = torch.cat([mimi.encode(state, rows, frame) for frame in frames], dim=-1)
    return codes[0].numpy().astype(np.uint16)


@pytest.fixture
def mimi() -> Mimi:
    return tiny_mimi()


@pytest.fixture
def checkpoint(mimi: Mimi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of a tiny codec and its heads."""
    monkeypatch.setattr(encoding, "DEMO_MIMI", TINY)
    torch.manual_seed(1)
    heads = PhoneticHeads(dimension=TINY.quantizer.dimension, phones=5, words=3, meanings=2)
    contents = {"mimi": mimi.state_dict(), "heads": heads.state_dict()}
    checkpoints.save(tmp_path / "encoder.pt", contents)
    return tmp_path / "encoder.pt"


def test_clips_of_any_lengths_have_the_codes_of_sessions_of_their_own(mimi: Mimi) -> None:
    sounds = clips(3, 9, 1, 4, 2, 6, 2, 5, 3, 7)
    assert len(sounds) > ROWS
    for clip, codes in zip(sounds, encode(mimi, sounds), strict=True):
        assert codes.dtype == np.uint16
        np.testing.assert_array_equal(codes, streamed(mimi, clip))


def test_no_clips_have_no_codes(mimi: Mimi) -> None:
    assert encode(mimi, []) == []


def test_a_clip_is_filled_up_with_silence_to_whole_frames() -> None:
    framed = whole_frames(np.ones(1921, np.float32), lead_frames=3)
    assert framed.dtype == np.float32 and len(framed) == 5 * 1920
    np.testing.assert_array_equal(np.flatnonzero(framed), 3 * 1920 + np.arange(1921))
    assert len(whole_frames(np.ones(3840, np.float32))) == 3840


def test_a_loaded_codec_encodes_as_the_one_that_was_saved(mimi: Mimi, checkpoint: Path) -> None:
    loaded, (sound,) = load_mimi(checkpoint), clips(4)
    np.testing.assert_array_equal(encode(loaded, [sound])[0], encode(mimi, [sound])[0])
    assert not any(weight.requires_grad for weight in loaded.parameters())


def test_without_a_checkpoint_the_error_says_what_to_train(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="train the codec first"):
        load_mimi(tmp_path / "encoder.pt")


def test_of_a_semantic_token_its_phones_are_known(mimi: Mimi, checkpoint: Path) -> None:
    semantic, acoustic = hearing(checkpoint).entries
    dimension, bins = TINY.quantizer.dimension, TINY.quantizer.bins
    assert semantic.shape == (bins, dimension + LABELS_PER_FRAME * 5)
    assert acoustic.shape == (bins, dimension)
    stored = checkpoints.load(checkpoint)
    assert stored is not None
    entries = mimi.quantizer.rvq_first.codebooks[0].entries
    logits = entries @ stored["heads"]["phone.weight"].T + stored["heads"]["phone.bias"]
    first = logits[:, :5].softmax(dim=-1).numpy()
    np.testing.assert_allclose(semantic[:, dimension : dimension + 5], 2 * first, rtol=1e-5)
