import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from kaiwa_training import checkpoints
from kaiwa_training.lm.dialogues import DialoguePlan
from kaiwa_training.lm.judgement import judge
from kaiwa_training.lm.rollout import RolloutPlan
from kaiwa_training.lm.training import LmPlan, train_lm, trained_lm
from training.lm.tiny_training import TINY, served
from training.lm.toy import ToyWorld

WORLD = ToyWorld()
CONFIG = replace(TINY, text_vocabulary_size=WORLD.tokenizer().size)
PLAN = LmPlan(
    steps=6,
    rows=3,
    words=WORLD.codebook_size,
    fresh_every=2,
    saved_every=3,
    dialogues=DialoguePlan(frames=60),
)


class Stopped(Exception):
    """Somebody pulled the plug."""


def train(folder: Path, plan: LmPlan = PLAN, stop_at: int | None = None) -> Path:
    def show(step: int, figures: dict[str, float]) -> None:
        if step == stop_at:
            raise Stopped

    return train_lm(CONFIG, WORLD.sounds(), folder / "questions", folder / "lm", plan, show)


def with_questions(folder: Path) -> Path:
    WORLD.questions(30, seed=1).save(folder / "questions" / "0.npz")
    return folder


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, halves = with_questions(tmp_path / "whole"), with_questions(tmp_path / "halves")
    expected = checkpoints.load(train(whole))
    with pytest.raises(Stopped):
        train(halves, stop_at=5)
    found = checkpoints.load(train(halves))
    assert expected and found and expected["step"] == found["step"] == 6
    torch.testing.assert_close(found["lm"], expected["lm"], rtol=0, atol=0)
    lines = [(folder / "lm" / "lm.jsonl").read_text() for folder in (whole, halves)]
    assert lines[0] == lines[1]


def test_the_curve_has_a_line_of_losses_for_every_step(tmp_path: Path) -> None:
    train(with_questions(tmp_path))
    curve = [json.loads(line) for line in (tmp_path / "lm" / "lm.jsonl").read_text().splitlines()]
    assert [line["step"] for line in curve] == list(range(6))
    assert all({"text", "voice", "reply", "word", "questions"} <= set(line) for line in curve)


def test_questions_that_come_while_it_trains_are_taken_in(tmp_path: Path) -> None:
    with_questions(tmp_path)

    def show(step: int, figures: dict[str, float]) -> None:
        known.append(figures["questions"])
        if step == 1:
            WORLD.questions(10, seed=2).save(tmp_path / "questions" / "1.npz")

    known: list[float] = []
    train_lm(CONFIG, WORLD.sounds(), tmp_path / "questions", tmp_path / "lm", PLAN, show)
    assert known == [30, 30, 40, 40, 40, 40]


def test_without_words_only_replies_are_listened_for(tmp_path: Path) -> None:
    train(with_questions(tmp_path), replace(PLAN, words=0))
    assert '"word"' not in (tmp_path / "lm" / "lm.jsonl").read_text()


def test_what_is_kept_has_no_trace_of_codebooks_that_are_not_heard(tmp_path: Path) -> None:
    path = train(with_questions(tmp_path), replace(PLAN, heard=(0,)))
    weights = trained_lm(path, CONFIG).state_dict()
    user = [weights[f"emb.{CONFIG.codebooks + book}.weight"] for book in range(CONFIG.codebooks)]
    assert [bool(weight.any()) for weight in user] == [True, False, False]


def test_a_small_world_is_learnt_and_judged_by_whole_replies(tmp_path: Path) -> None:
    easy = ToyWorld(intents=1, notes=3)
    temporal = replace(TINY.temporal, dim=32, hidden=64, context=40)
    config = replace(TINY, temporal=temporal, text_vocabulary_size=easy.tokenizer().size)
    easy.questions(200, seed=1).save(tmp_path / "questions" / "0.npz")
    calm = DialoguePlan(
        frames=60, dense=0.2, early=0.0, barge_in=0.0, strangeness=3.0, replaced_tokens=0.02
    )
    plan = LmPlan(steps=60, rows=16, top_rate=1.5e-2, warm_up=5, words=20, dialogues=calm)
    path = train_lm(
        config, easy.sounds(), tmp_path / "questions", tmp_path / "lm", plan, lambda *_: None
    )
    judgement = judge(
        served(trained_lm(path, config)),
        easy.bank(),
        easy.tokenizer(),
        easy.questions(12, seed=2),
        easy.backgrounds(),
        RolloutPlan(frames_before=22, frames_after=20, greedy=True),
    )
    assert min(judgement.right, judgement.greeted) > 0.7
