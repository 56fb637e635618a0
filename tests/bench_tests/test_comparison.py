"""Rows of a comparison, their targets and checks."""

import torch
from bench.checks import sound_check, tokens_check
from bench.comparison import Contender, compare
from bench.config import Effort
from bench.results import Results
from bench_tests.any_machine import machine

EFFORT = Effort(
    rounds=2,
    steps=2,
    warmup_steps=1,
    check_steps=3,
    fills_context=True,
    judged_frames=1,
    codec_sessions=(1,),
    lm_sessions={},
    stack_sessions=(1,),
    gateway_sessions=(1,),
    talk_s=1.0,
)


class Counter:
    """A program that only counts its steps."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.steps = 0

    def step(self) -> None:
        self.steps += 1


def compared(*contenders: Contender) -> Results:
    results = Results(machine(0.0), quick=False)
    compare(results, "mimi", 8, contenders, context_steps=10, effort=EFFORT, say=lambda _: None)
    return results


def test_ours_has_a_target_and_a_ratio_and_a_peer_has_neither() -> None:
    results = compared(
        Contender(Counter("moshi"), ours=False),
        Contender(Counter("ours"), ours=True, check="equal"),
        Contender(Counter("ours bf16"), ours=True, reduced=True),
    )
    peer, exact, reduced = results.steps
    assert (peer.ratio, peer.target, peer.met) == (None, None, None)
    assert (exact.best_peer, exact.target, exact.check) == ("moshi", 1.8, "equal")
    assert reduced.target == 5.0
    assert exact.met is not None


def test_the_rings_are_filled_before_the_timing_starts() -> None:
    ours, peer = Counter("ours"), Counter("moshi")
    results = compared(Contender(peer, ours=False), Contender(ours, ours=True))
    # 3 were taken by the check that is not made here: 7 to fill, then 2 rounds of 1 + 2.
    assert ours.steps == peer.steps == 7 + 2 * 3
    assert [row.context_filled for row in results.steps] == [1.0, 1.0]


def test_tokens_that_differ_are_counted() -> None:
    ours, peers = [torch.tensor([1, 2]), torch.tensor([3, 4])], [torch.tensor([1, 2])] * 2
    assert tokens_check(ours, ours) == "4 tokens equal"
    assert tokens_check(ours, peers) == "2 of 4 tokens differ"


def test_sound_is_within_the_tolerance_or_off() -> None:
    silence, hum = [torch.zeros(4)], [torch.full((4,), 2e-5)]
    assert sound_check(silence, hum) == "sound within 2e-05"
    assert sound_check(silence, [torch.full((4,), 0.5)]) == "sound off by 5e-01"
