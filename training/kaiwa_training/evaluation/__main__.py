"""The command: `python -m kaiwa_training.evaluation`."""

import os
from pathlib import Path
from typing import Annotated

import typer
from kaiwa.errors import KaiwaError
from kaiwa_server.errors import KaiwaError as ServiceError
from rich.console import Console
from rich.text import Text

from kaiwa_training.evaluation.errors import EvaluationError
from kaiwa_training.evaluation.evaluation import evaluate
from kaiwa_training.evaluation.plan import Plan, Stage

INTERRUPTED = 130

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")


@app.command()
def run(
    model_dir: Annotated[Path, typer.Argument(help="Checkpoint's folder, in Kyutai's layout.")],
    corpus_dir: Annotated[Path, typer.Argument(help="Folder of the speech corpus.")],
    out_dir: Annotated[Path, typer.Argument(help="Where verdicts, recordings and report go.")],
    only: Annotated[
        list[Stage] | None, typer.Option(help="Do this stage alone; may be given several times.")
    ] = None,
    skip: Annotated[
        list[Stage] | None, typer.Option(help="Leave this stage out; may be given several times.")
    ] = None,
    questions: Annotated[
        int, typer.Option(help="Questions in each held-out set, as many from each engine.")
    ] = Plan.questions_per_set,
    per_condition: Annotated[
        int, typer.Option(help="Of all of them, how many are asked again in each condition.")
    ] = Plan.questions_per_condition,
    scene_calls: Annotated[
        int, typer.Option(help="Calls with silence, with noise, with interruptions, and so on.")
    ] = Plan.scene_calls,
    takes: Annotated[
        int, typer.Option(help="Recordings of each reply that the recogniser reads.")
    ] = Plan.takes,
    sentences: Annotated[
        int, typer.Option(help="Sentences of each engine that go through the codec alone.")
    ] = Plan.sentences,
    sessions: Annotated[int, typer.Option(help="Calls at once.")] = Plan.sessions,
    seed: Annotated[int, typer.Option(help="Seed of every choice.")] = Plan.seed,
    log: Annotated[
        list[Path] | None, typer.Option(help="A training's log, to be drawn; several times.")
    ] = None,
) -> None:
    """Find out how well a demo model understands, speaks and keeps pace.

    Questions that the training never heard are asked in **live calls** through the three real
    services, several at once, with Opus and at the pace of speech; each answer has to be the right
    reply word for word. A general speech recogniser then reads the recorded replies, and held-out
    sentences after the codec alone. All figures end in `report.md`, beside their targets.

    **Stages**, in order: `timing` (a frame on one core), `dialogues` (the held-out sets),
    `conditions` (noise, level, a narrow line), `duplex` (silence, noise, interruptions, long calls,
    nonsense), `replies` and `codec` (the recogniser), `pictures`, `report`.

    An evaluation can be **stopped** at any time, Ctrl-C included: the same command goes on where it
    was. A call takes about 17 seconds; 300 questions of a set, 6 calls at once, 8 minutes. Nothing
    else should use the processor then: the report tells whether frames were late or dropped.

    **Examples**

    ```
    python -m kaiwa_training.evaluation model corpus out
    python -m kaiwa_training.evaluation model corpus out --questions 24 --only dialogues
    python -m kaiwa_training.evaluation model corpus out --only report
    ```
    """
    stages = frozenset(only or Stage) - frozenset(skip or ())
    plan = Plan(stages, questions, per_condition, scene_calls, takes, sentences, sessions, seed)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    errors = Console(stderr=True)
    try:
        evaluate(model_dir, corpus_dir, out_dir, plan, logs=log or ())
    except (EvaluationError, KaiwaError, ServiceError) as error:
        errors.print(Text(str(error), "red"), soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print("stopped; the same command goes on from here")
        raise typer.Exit(INTERRUPTED) from None


if __name__ == "__main__":
    app()
