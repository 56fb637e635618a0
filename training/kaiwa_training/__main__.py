"""Makes the demo model from nothing: `python -m kaiwa_training`, or `make demo-model`."""

import argparse
import multiprocessing
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console

from kaiwa_training import stages
from kaiwa_training.codec.decoder_training import DecoderPlan
from kaiwa_training.codec.encoder_training import EncoderPlan
from kaiwa_training.hardware import has_bf16, keep_freed_memory
from kaiwa_training.lm.training import LmPlan
from kaiwa_training.progress import shown
from kaiwa_training.side_by_side import StageFailed, run_side_by_side
from kaiwa_training.speech.building import build_corpus
from kaiwa_training.texts.texts import load_texts
from kaiwa_training.workplace import Workplace

SEED = 1
QUESTION_SHARDS = 50

DESCRIPTION = """\
Trains the small Moshi that comes with Kaiwa: makes the voices, trains the codec's encoder, then,
side by side, its decoder and the LM, and writes the model in Kyutai's layout to FOLDER/model.
It takes three and a half hours or so on two CPU cores. Ctrl-C stops it; the same command goes on
where it was.
"""


def main() -> None:
    """Runs all stages, or one."""
    parser = argparse.ArgumentParser(
        prog="python -m kaiwa_training",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, default=Path("build/demo-model"))
    parser.add_argument(
        "--only", choices=STAGES, help="one stage, from what the ones before it left"
    )
    parser.add_argument(
        "--device",
        default="cuda" if torch.cuda.is_available() else "cpu",
        help="cpu, or cuda, which has not been tried; default: cuda if there is one",
    )
    arguments = parser.parse_args()
    place, device = Workplace(arguments.folder), arguments.device
    try:
        for name in [arguments.only] if arguments.only else ["corpus", "encoder", "tokens"]:
            STAGES[name](place, device)
        if not arguments.only:
            command = [sys.executable, "-m", "kaiwa_training", "--folder", str(arguments.folder)]
            command += ["--device", device, "--only"]
            run_side_by_side({name: [*command, name] for name in ("questions", "decoder", "lm")})
            STAGES["export"](place, device)
    except StageFailed as failure:
        raise SystemExit(str(failure)) from None
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped. The same command goes on from here.")
        sys.exit(130)


def corpus(place: Workplace, device: str) -> None:
    """Makes the clips of all voices."""
    if not (place.corpus / "clips.npy").exists():
        build_corpus(place.corpus, seed=SEED, processes=multiprocessing.cpu_count())


def encoder(place: Workplace, device: str) -> None:
    """Trains the encoder on every core."""
    keep_freed_memory()
    plan = EncoderPlan(device=device)
    with shown("encoder", plan.steps) as show:
        stages.encoder(place, plan, show)


def tokens(place: Workplace, device: str) -> None:
    """Encodes what the decoder and the LM learn from."""
    keep_freed_memory()
    if not place.backgrounds.exists():
        stages.tokens(place, load_texts(), device)
    # The LM's training starts beside the encoding of questions and needs some to begin with.
    stages.questions(place, load_texts(), 1, device, lambda step, figures: None)


def questions(place: Workplace, device: str) -> None:
    """Encodes questions for the LM."""
    keep_freed_memory()
    torch.set_num_threads(1)
    with shown("questions", QUESTION_SHARDS) as show:
        stages.questions(place, load_texts(), QUESTION_SHARDS, device, show)


def decoder(place: Workplace, device: str) -> None:
    """Trains the decoder on one core."""
    keep_freed_memory()
    torch.set_num_threads(1)
    plan = DecoderPlan(device=device)
    with shown("decoder", plan.all_steps) as show:
        stages.decoder(place, plan, show)


def lm(place: Workplace, device: str) -> None:
    """Trains the LM on one core."""
    keep_freed_memory()
    torch.set_num_threads(1)
    plan = LmPlan(device=device, bf16=device != "cpu" or has_bf16())
    with shown("lm", plan.steps) as show:
        stages.lm(place, plan, show)


def judge(place: Workplace, device: str) -> None:
    """Judges the LM on the questions that were kept from it, without sound."""
    console = Console()
    for name, found in stages.judge_lm(place, load_texts()):
        engines = "  ".join(f"{key} {share:.1%}" for key, share in found.groups["engine"].items())
        console.print(f"{name}: {found.right:.1%} of {found.questions} right  {engines}")
        console.print(f"  greeted {found.greeted:.1%}, quiet {found.quiet:.1%}")
        for wrong in found.confusions[:6]:
            console.print(f"  {wrong.count} x {wrong.due}: {wrong.said!r}")


def export(place: Workplace, device: str) -> None:
    """Writes the finished model."""
    stages.export(place, place.model)


STAGES: dict[str, Callable[[Workplace, str], None]] = {
    stage.__name__: stage
    for stage in (corpus, encoder, tokens, questions, decoder, lm, judge, export)
}


if __name__ == "__main__":
    main()
