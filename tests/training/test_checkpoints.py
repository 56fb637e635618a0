"""A training can be stopped at any moment: what it kept is whole, and its curve goes on."""

import json
from pathlib import Path

import pytest
import torch
from kaiwa_training import checkpoints
from kaiwa_training.checkpoints import Curve

CONTENTS = {"step": 7, "lm": {"weight": torch.arange(6.0).view(2, 3)}, "rates": [(0.8, 0.99)]}


class Unsaveable:
    """What breaks while it is written."""

    def __reduce__(self) -> str:
        raise RuntimeError("the power is gone")


def test_a_checkpoint_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "lm.pt"
    checkpoints.save(path, CONTENTS)
    loaded = checkpoints.load(path)
    assert loaded is not None and loaded["step"] == 7 and loaded["rates"] == CONTENTS["rates"]
    torch.testing.assert_close(loaded["lm"], CONTENTS["lm"], rtol=0, atol=0)
    assert [file.name for file in path.parent.iterdir()] == ["lm.pt"]


def test_there_may_be_no_checkpoint_yet(tmp_path: Path) -> None:
    assert checkpoints.load(tmp_path / "lm.pt") is None


def test_a_crash_while_saving_leaves_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "lm.pt"
    checkpoints.save(path, CONTENTS)
    with pytest.raises(RuntimeError, match="the power is gone"):
        checkpoints.save(path, {"step": 8, "lm": Unsaveable()})
    loaded = checkpoints.load(path)
    assert loaded is not None and loaded["step"] == 7


def test_a_later_checkpoint_takes_the_place_of_the_older(tmp_path: Path) -> None:
    for step in (1, 2):
        checkpoints.save(tmp_path / "lm.pt", {"step": step})
    assert checkpoints.load(tmp_path / "lm.pt") == {"step": 2}


def test_a_checkpoint_holds_nothing_that_runs_code(tmp_path: Path) -> None:
    torch.save({"step": tmp_path}, tmp_path / "lm.pt")
    with pytest.raises(Exception, match="weights_only"):
        checkpoints.load(tmp_path / "lm.pt")


def test_a_curve_has_a_line_of_rounded_figures_for_each_step(tmp_path: Path) -> None:
    curve = Curve(tmp_path / "new" / "lm.jsonl")
    curve.add(0, text=1.23456789, voice=2)
    curve.add(1, text=torch.tensor(0.5).item())
    lines = [json.loads(line) for line in curve.path.read_text().splitlines()]
    assert lines == [{"step": 0, "text": 1.23457, "voice": 2.0}, {"step": 1, "text": 0.5}]


def test_what_came_after_the_last_checkpoint_is_dropped_from_the_curve(tmp_path: Path) -> None:
    curve = Curve(tmp_path / "lm.jsonl")
    for step in range(5):
        curve.add(step, text=step)
    again = Curve(tmp_path / "lm.jsonl")
    again.keep_until(3)
    again.add(3, text=30)
    lines = [json.loads(line) for line in curve.path.read_text().splitlines()]
    assert [(line["step"], line["text"]) for line in lines] == [(0, 0), (1, 1), (2, 2), (3, 30)]


def test_a_new_curve_has_nothing_to_drop(tmp_path: Path) -> None:
    Curve(tmp_path / "lm.jsonl").keep_until(3)
    assert not (tmp_path / "lm.jsonl").exists()
