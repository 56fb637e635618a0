"""Pictures are drawn of what there is."""

import json
from pathlib import Path

import numpy as np
from kaiwa_training.evaluation.pictures import Pair, draw_curves, draw_pair, smooth, spectrum_db

TONE = (0.5 * np.sin(2 * np.pi * 3_000 * np.arange(24_000) / 24_000)).astype(np.float32)
PNG = b"\x89PNG"


def test_a_tone_stands_at_its_frequency() -> None:
    spectrum = spectrum_db(TONE)
    assert spectrum.shape == (257, 201)
    assert spectrum[:, 100].argmax() == round(3_000 * 512 / 24_000)


def test_a_pair_becomes_a_picture(tmp_path: Path) -> None:
    draw_pair(tmp_path / "new" / "pair.png", Pair("slt: $5", TONE, TONE / 2, "five", ""))
    assert (tmp_path / "new" / "pair.png").read_bytes().startswith(PNG)


def test_each_figure_of_each_log_has_a_panel(tmp_path: Path) -> None:
    log = tmp_path / "encoder.jsonl"
    lines = [{"step": n, "loss": 1 / (n + 1)} | ({"right": 0.5} if n % 2 else {}) for n in range(9)]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    draw_curves(tmp_path / "curves.png", [log])
    assert (tmp_path / "curves.png").read_bytes().startswith(PNG)


def test_a_constant_stays_itself_when_smoothed() -> None:
    assert np.allclose(smooth([2.0] * 500), 2.0)
