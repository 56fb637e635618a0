"""Ours and the peers with the same sessions: first whether they give the same, then how long."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.config import Effort
from bench.noise import step_reasons
from bench.results import Results, StepRow
from bench.stats import (
    core_share,
    cpu_ratio,
    halves_difference,
    step_times,
    wall_ratio,
)
from bench.targets import step_target
from bench.timing import Program, RealClock, Turn, take_turns

Say = Callable[[str], None]


@dataclass(frozen=True)
class Contender:
    """A program in a comparison; `check` says what its correctness check found, if it had one."""

    program: Program
    ours: bool
    reduced: bool = False
    check: str = ""


def compare(
    results: Results,
    model: str,
    sessions: int,
    contenders: Sequence[Contender],
    context_steps: int,
    effort: Effort,
    say: Say,
) -> None:
    """Times them in turns and leaves a row for each.

    Args:
        results: what gets the rows, and the reasons for which they are no claim.
        model: what they run, by the name that targets have.
        sessions: how many sessions each of them steps.
        contenders: who takes part.
        context_steps: how many steps fill the rings of their attention.
        effort: how long to go on.
        say: is told what happens.
    """
    programs = [contender.program for contender in contenders]
    if effort.fills_context:
        say(f"{model}, {sessions} sessions: filling the context, {context_steps} steps each")
        for program in programs:
            for _ in range(context_steps - effort.check_steps):
                program.step()
    say(f"{model}, {sessions} sessions: {', '.join(p.name for p in programs)} in turns")
    turns = take_turns(programs, effort.rounds, effort.steps, effort.warmup_steps, RealClock())
    taken = effort.check_steps + effort.rounds * (effort.steps + effort.warmup_steps) / 2
    filled = 1.0 if effort.fills_context else min(1.0, taken / context_steps)
    peers = [contender.program.name for contender in contenders if not contender.ours]
    best_peer = min(peers, key=lambda peer: step_times(turns[peer]).p50_ms)
    for contender in contenders:
        row = _row(model, sessions, contender, filled, turns, best_peer)
        results.steps.append(row)
        if contender.ours:
            name = f"{model}, {sessions} sessions, {row.program}"
            difference = halves_difference(turns[row.program])
            results.noise += step_reasons(name, row.core_share, difference)


def _row(
    model: str,
    sessions: int,
    contender: Contender,
    filled: float,
    turns: dict[str, list[Turn]],
    best_peer: str,
) -> StepRow:
    """A contender in numbers; ours also against the peer that was the fastest."""
    name, ours = contender.program.name, contender.ours
    own, peer = turns[name], turns[best_peer]
    return StepRow(
        model=model,
        sessions=sessions,
        program=name,
        ours=ours,
        reduced=contender.reduced,
        context_filled=filled,
        times=step_times(own),
        round_p50_ms=tuple(step_times([turn]).p50_ms for turn in own),
        core_share=core_share(own),
        best_peer=best_peer if ours else None,
        ratio=wall_ratio(own, peer) if ours else None,
        cpu_ratio=cpu_ratio(own, peer) if ours else None,
        check=contender.check,
        target=step_target(model, sessions, reduced=contender.reduced) if ours else None,
    )
