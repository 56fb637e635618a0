"""Part `codec`: one frame of each session to tokens and back, on full-size Mimi."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from bench.agreement import judge_mimi
from bench.checks import sound_check, tokens_check
from bench.comparison import Contender, Say, compare
from bench.config import BenchConfig
from bench.floors import Floor
from bench.mimi_programs import MimiProgram, MoshiMimi, OurMimi, RustMimi, sound_of
from bench.random_models import mimi_weights
from bench.results import Results
from bench.variants import EXACT, Variant, named
from kaiwa_server.models.mimi import Mimi
from kaiwa_server.models.mimi_config import MimiConfig
from moshi.models import MimiModel, loaders
from moshi.utils.compile import no_compile
from torch.utils.flop_counter import FlopCounterMode

MODEL = "mimi"
SOUND_FRAMES = 50


def run(config: BenchConfig, results: Results, say: Say) -> None:
    """Leaves rows for each number of sessions, and how the variants agree with the exact one."""
    say(f"{MODEL}: the weights")
    path = mimi_weights(config.weights_dir)
    mimi_config = MimiConfig()
    reference = loaders.get_mimi(path)
    variants = named(config.variants)
    models = {variant.name: variant.load_mimi(mimi_config, path) for variant in variants}
    results.floors[MODEL] = Floor(weights_read(mimi_config), _gflop(reference))
    context_steps = mimi_config.transformer.context // mimi_config.latents_per_frame
    for sessions in config.effort.codec_sessions:
        with no_compile(), ExitStack() as running:
            contenders = _contenders(
                reference, [(v, models[v.name]) for v in variants], path, sessions, config, running
            )
            compare(results, MODEL, sessions, contenders, context_steps, config.effort, say)
    for variant in variants:
        if variant.reduced:
            say(f"{MODEL}: how {variant.name} agrees with {EXACT.name}")
            results.agreements += judge_mimi(variant, path, config.effort.judged_frames)


def _contenders(
    reference: MimiModel,
    ours: Sequence[tuple[Variant, Mimi]],
    path: Path,
    sessions: int,
    config: BenchConfig,
    running: ExitStack,
) -> list[Contender]:
    """All that take part, checked against the reference on their first frames."""
    steps, sound = config.effort.check_steps, sound_of(sessions, SOUND_FRAMES)
    peers: list[MimiProgram] = [MoshiMimi(reference, sound, running)]
    if sessions == 1:
        peers.append(RustMimi(path, sound))
    first, *others = [[program.turn() for _ in range(steps)] for program in peers]
    contenders = [Contender(peers[0], ours=False)]
    contenders += [
        Contender(peer, ours=False, check=_check(theirs, first))
        for peer, theirs in zip(peers[1:], others, strict=True)
    ]
    for variant, mimi in ours:
        program = OurMimi(f"ours {variant.name}", mimi, sound)
        check = _check([program.turn() for _ in range(steps)], first)
        contenders.append(Contender(program, True, variant.reduced, check))
    return contenders


def _check(
    found: Sequence[tuple[torch.Tensor, torch.Tensor]],
    expected: Sequence[tuple[torch.Tensor, torch.Tensor]],
) -> str:
    """Compares tokens, and sound where it was made of the same tokens."""
    codes, sounds = zip(*found, strict=True)
    expected_codes, expected_sounds = zip(*expected, strict=True)
    tokens = tokens_check(codes, expected_codes)
    if "differ" in tokens:
        return tokens
    return f"{tokens}, {sound_check(sounds, expected_sounds)}"


def weights_read(config: MimiConfig) -> int:
    """The weights that a frame needs there and back: of the codebooks, those that are searched."""
    with torch.device("meta"):
        mimi = Mimi(config)
    quantizer = mimi.quantizer
    searched = [quantizer.rvq_first.codebooks[0]]
    searched += quantizer.rvq_rest.codebooks[: mimi.num_codebooks - 1]
    return sum(weight.numel() for weight in mimi.parameters()) + sum(
        codebook.entries.numel() for codebook in searched
    )


@torch.no_grad()
def _gflop(reference: MimiModel) -> float:
    """What the reference calculates for one frame there and back, in 1e9 operations."""
    counter = FlopCounterMode(display=False)
    with no_compile(), reference.streaming(1), counter:
        reference.decode(reference.encode(sound_of(1, 1)[0]))
    return counter.get_total_flops() / 1e9
