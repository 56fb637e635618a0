"""The decoder learns from pieces of clips, and nothing else of the codec changes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from kaiwa_server.models.mimi import Mimi
from kaiwa_training import checkpoints
from kaiwa_training.codec.decoder_training import (
    WARM_UP_FRAMES,
    Crops,
    DecoderPlan,
    DecoderTraining,
    SpectralLoss,
    Spoken,
    train_decoder,
)
from tiny_mimi import TINY, tiny_mimi
from torch import Tensor

FRAME = 1_920
PLAN = DecoderPlan(steps=4, last_steps=2, frames=7, saved_every=2)


class Stopped(Exception):
    """Somebody pulled the plug."""


def spoken(frames: int, seed: int = 1) -> Spoken:
    """Noise, and any codes."""
    rng = np.random.default_rng(seed)
    pcm = rng.normal(0, 0.1, frames * FRAME).astype(np.float32)
    size = (TINY.num_codebooks, frames)
    return Spoken(pcm, rng.integers(TINY.quantizer.bins, size=size).astype(np.uint16))


def numbered(frames: int, first: int = 0) -> Spoken:
    """Each frame's samples are its number / 1000, and its codes its number."""
    numbers = first + np.arange(frames)
    pcm = np.repeat(numbers / 1000, FRAME).astype(np.float32)
    return Spoken(pcm, np.tile(numbers, (8, 1)).astype(np.uint16))


def train(mimi: Mimi, folder: Path, plan: DecoderPlan = PLAN, stop_at: int | None = None) -> Path:
    def show(step: int, figures: dict[str, float]) -> None:
        if step == stop_at:
            raise Stopped

    crops, last = (Crops([([spoken(9, seed)], 2)], plan.frames) for seed in (1, 2))
    return train_decoder(mimi, crops, last, folder, plan, show)


def weights(mimi: Mimi) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in mimi.state_dict().items()}


def test_a_crop_has_the_codes_of_its_sound() -> None:
    codes, pcm = Crops([([numbered(20)], 30)], 6).batch(np.random.default_rng(1))
    assert codes.shape == (30, 8, 6) and codes.dtype == torch.int64
    assert pcm.shape == (30, 6 * FRAME) and pcm.dtype == torch.float32
    torch.testing.assert_close(pcm.view(30, 6, FRAME)[..., 7] * 1000, codes[:, 0].float())
    firsts = codes[:, 0, 0]
    assert torch.equal(codes[:, 5], firsts[:, None] + torch.arange(6))
    assert (int(firsts.min()), int(firsts.max())) == (0, 14)


def test_a_batch_has_so_many_crops_of_each_pool() -> None:
    pools = [([numbered(6)], 2), ([numbered(6, 100), numbered(6, 200)], 5)]
    codes, _ = Crops(pools, 6).batch(np.random.default_rng(1))
    assert codes[:2, 0, 0].tolist() == [0, 0]
    assert set(codes[2:, 0, 0].tolist()) == {100, 200}


def test_sounds_that_are_alike_differ_in_nothing_and_louder_ones_in_more() -> None:
    sound = torch.from_numpy(spoken(2).pcm)[None]
    loss = SpectralLoss()
    differences = [loss(level * sound, sound).item() for level in (1.0, 1.5, 3.0)]
    assert differences[0] == 0 < differences[1] < differences[2]


def test_only_the_decoder_learns(tmp_path: Path) -> None:
    mimi = tiny_mimi()
    before = weights(mimi)
    train(mimi, tmp_path)
    for name, weight in mimi.state_dict().items():
        decodes = name.startswith(("upsample", "decoder_transformer", "decoder"))
        assert torch.equal(weight, before[name]) != decodes, name


def test_a_codec_that_came_for_inference_learns_what_it_hears() -> None:
    plan = replace(PLAN, steps=200, top_rate=2e-2)
    training = DecoderTraining(tiny_mimi(), plan)
    codes, pcm = Crops([([spoken(9)], 1)], 7).batch(np.random.default_rng(1))
    losses = [training.train(codes, 0.2 * pcm)["spectral"] for _ in range(12)]
    assert losses[-1] < 0.8 * losses[0]


def test_the_start_of_a_crop_does_not_count() -> None:
    codes, pcm = Crops([([spoken(9)], 2)], 7).batch(np.random.default_rng(1))
    other, late = pcm.clone(), pcm.clone()
    other[:, : WARM_UP_FRAMES * FRAME] = 0.0
    late[:, : WARM_UP_FRAMES * FRAME + 400] = 0.0
    found = [DecoderTraining(tiny, PLAN) for tiny in (tiny_mimi(), tiny_mimi(), tiny_mimi())]
    for training in found[1:]:
        training.mimi.load_state_dict(found[0].mimi.state_dict())
    figures = [
        training.train(codes, sound)["spectral"]
        for training, sound in zip(found, (pcm, other, late), strict=True)
    ]
    assert figures[0] == figures[1] != figures[2]


def test_the_last_steps_have_crops_of_their_own_and_start_fast_again(tmp_path: Path) -> None:
    plan = replace(PLAN, steps=200, last_steps=400, top_rate=1.0, last_top_rate=0.5)
    rates = [plan.rate(step) for step in (99, 199, 200, 299, 599)]
    assert rates == pytest.approx([1.0, 1 / 30, 0.005, 0.5, 0.5 / 30], rel=2e-2)
    drawn: list[str] = []

    class Told(Crops):
        def batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
            drawn.append("crops" if self is crops else "last")
            return super().batch(rng)

    crops, last = (Told([([spoken(9)], 1)], PLAN.frames) for _ in range(2))
    train_decoder(tiny_mimi(), crops, last, tmp_path, PLAN, lambda step, figures: None)
    assert drawn == [*["crops"] * PLAN.steps, *["last"] * PLAN.last_steps]


def test_each_step_is_a_point_of_the_curve(tmp_path: Path) -> None:
    train(tiny_mimi(), tmp_path)
    lines = (tmp_path / "decoder.jsonl").read_text().splitlines()
    curve = [json.loads(line) for line in lines]
    assert [line["step"] for line in curve] == [0, 1, 2, 3, 4, 5]
    assert all(line["spectral"] > 0 for line in curve)


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    mimi = tiny_mimi()
    start = weights(mimi)
    expected = checkpoints.load(train(mimi, tmp_path / "whole"))
    for stop_at in (3, 5, None):
        mimi.load_state_dict(start)
        if stop_at:
            with pytest.raises(Stopped):
                train(mimi, tmp_path / "halves", stop_at=stop_at)
    found = checkpoints.load(train(mimi, tmp_path / "halves"))
    assert expected and found and expected["step"] == found["step"] == PLAN.all_steps
    for part in ("mimi", "optimizer"):
        torch.testing.assert_close(found[part], expected[part], rtol=0, atol=0)
    curves = [(tmp_path / run / "decoder.jsonl").read_text() for run in ("whole", "halves")]
    assert curves[0] == curves[1]


def test_a_finished_training_does_nothing_more(tmp_path: Path) -> None:
    mimi = tiny_mimi()
    path = train(mimi, tmp_path)
    before = path.read_bytes()
    train(mimi, tmp_path, stop_at=PLAN.all_steps)
    assert path.read_bytes() == before
