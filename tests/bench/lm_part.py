"""Part `lm`: one step of language models of two sizes that a CPU can run."""

import re
from collections.abc import Sequence
from contextlib import ExitStack

import torch
from bench.agreement import judge_lm
from bench.checks import tokens_check
from bench.comparison import Contender, Say, compare
from bench.config import BenchConfig
from bench.floors import Floor
from bench.lm_programs import LmProgram, MoshiLmGen, OurLm, users
from bench.random_models import LM_CONFIGS, lm_weights
from bench.results import Results
from bench.variants import EXACT, Variant, named
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.lm_config import LmConfig
from moshi.models import LMModel, loaders
from moshi.utils.compile import no_compile

LOOKED_UP = re.compile(r"(depformer_)?(text_)?emb\.")
"""Tables of which a step reads a few rows."""

HEARD_FRAMES = 50


def run(config: BenchConfig, results: Results, say: Say) -> None:
    """Leaves rows for each size and number of sessions, and how the variants agree."""
    for size in config.effort.lm_sessions:
        _run(size, config, results, say)


def _run(size: str, config: BenchConfig, results: Results, say: Say) -> None:
    model = f"lm {size}"
    say(f"{model}: the weights")
    path = lm_weights(config.weights_dir, size)
    lm_config = LmConfig.from_json(LM_CONFIGS[size])
    reference = loaders.get_moshi_lm(path, LM_CONFIGS[size], dtype=torch.float32)
    variants = named(config.variants)
    ours = [(variant, variant.load_lm(lm_config, path)) for variant in variants]
    results.floors[model] = _floor(reference)
    for sessions in config.effort.lm_sessions[size]:
        with no_compile(), torch.no_grad(), ExitStack() as running:
            contenders = _contenders(size, reference, ours, sessions, config, running)
            context_steps = lm_config.temporal.context
            compare(results, model, sessions, contenders, context_steps, config.effort, say)
    for variant in variants:
        if variant.reduced:
            say(f"{model}: how {variant.name} agrees with {EXACT.name}")
            results.agreements += judge_lm(variant, size, path, config.effort.judged_frames)


def _contenders(
    size: str,
    reference: LMModel,
    ours: Sequence[tuple[Variant, MoshiLm]],
    sessions: int,
    config: BenchConfig,
    running: ExitStack,
) -> list[Contender]:
    """All that take part, checked greedily, and sampling from then on as sessions do."""
    steps, heard = config.effort.check_steps, users(LM_CONFIGS[size], sessions, HEARD_FRAMES)
    peer = MoshiLmGen(reference, heard, running)
    expected = [peer.turn() for _ in range(steps)]
    programs: list[LmProgram] = [peer]
    contenders = [Contender(peer, ours=False)]
    for variant, lm in ours:
        program = OurLm(f"ours {variant.name}", lm, heard)
        check = tokens_check([program.turn() for _ in range(steps)], expected)
        programs.append(program)
        contenders.append(Contender(program, True, variant.reduced, check))
    for program in programs:
        program.draw()
    return contenders


def _floor(reference: LMModel) -> Floor:
    """A step reads each weight once, and multiplies and adds with it once for each session."""
    weights = sum(
        weight.numel() for name, weight in reference.named_parameters() if not LOOKED_UP.match(name)
    )
    return Floor(weights, 2 * weights / 1e9)
