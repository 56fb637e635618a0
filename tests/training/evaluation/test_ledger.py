"""Verdicts survive whatever stops an evaluation."""

from pathlib import Path

import numpy as np
import pytest
from kaiwa_training.evaluation.clips import Clip
from kaiwa_training.evaluation.errors import EvaluationError
from kaiwa_training.evaluation.ledger import Ledger, fingerprint_of
from kaiwa_training.evaluation.scenes import PlannedCall, Scene

from .verdicts import verdict

CLIPS = tuple(
    Clip(name, np.ones(480, np.float32), "Hello.", "slt", "flite", 4, "name") for name in "ab"
)
CALL = PlannedCall(Scene.TWO_QUESTIONS, CLIPS)
JUDGED = [verdict(call=CALL.name, turn=0), verdict(call=CALL.name, turn=1, right=False)]


def test_an_opened_ledger_knows_what_was_judged(tmp_path: Path) -> None:
    path = tmp_path / "new" / "verdicts.jsonl"
    Ledger(path, "model").add(JUDGED)
    again = Ledger(path, "model")
    assert again.verdicts == JUDGED
    assert again.has(CALL)
    assert not again.has(PlannedCall(Scene.TWO_QUESTIONS, CLIPS[::-1]))


def test_a_call_that_was_cut_off_in_the_middle_is_judged_again(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    Ledger(path, "model").add(JUDGED)
    path.write_text(path.read_text()[:-40])
    again = Ledger(path, "model")
    assert not again.has(CALL)
    again.add(JUDGED)
    assert Ledger(path, "model").verdicts == JUDGED


def test_a_ledger_is_about_one_model(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    Ledger(path, "model").add(JUDGED)
    with pytest.raises(EvaluationError, match="another model"):
        Ledger(path, "other")


def test_what_is_judged_is_known_by_its_files(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"1")
    first = fingerprint_of([weights])
    weights.write_bytes(b"2")
    assert fingerprint_of([weights]) != first
