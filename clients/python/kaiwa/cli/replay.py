"""`kaiwa replay`: plays a recorded session again, token for token, and says where it differs."""

import asyncio
from collections.abc import Iterator

import typer
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from kaiwa.cli import options
from kaiwa.cli.errors import CannotDo
from kaiwa.cli.exits import FAILED, exit_on_errors
from kaiwa.journal import BadJournal, Journal, read_journal
from kaiwa.replay import Difference
from kaiwa.replay import replay as play_again

STEPS_IN_A_SECOND = 12.5


def replay(
    journal_path: options.JournalPath,
    lm: options.Lm = options.DEFAULT_LM,
    any_model: options.AnyModel = False,
) -> None:
    """Play a recorded session again, token for token, and see where it differs.

    The language model is given the seed, the settings and the user's tokens of then, as fast as it
    can take them; its words and its voice are compared step by step. The exit status is 0 where
    all are equal, and 1 where one differs or nothing could be compared.

    **Examples**

    ```
    kaiwa replay recordings/20260101T120000Z-0123456789abcdef
    kaiwa replay journal.jsonl --lm lm.example.org:50053
    ```
    """
    console = Console()
    with exit_on_errors():
        try:
            journal = read_journal(journal_path)
            if not journal.steps:
                raise CannotDo(f"{journal_path} has no step to compare")
            difference = _with_progress(journal, lm, any_model, console)
        except (BadJournal, OSError) as error:
            raise CannotDo(str(error)) from None
    if difference is None:
        seconds = len(journal.steps) / STEPS_IN_A_SECOND
        console.print(Text(f"equal: {len(journal.steps)} steps ({seconds:.1f} s), every token"))
        return
    for line in lines_of(difference):
        console.print(Text(line), soft_wrap=True)
    raise typer.Exit(FAILED)


def _with_progress(
    journal: Journal, lm: str, any_model: bool, console: Console
) -> Difference | None:
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("playing again", total=len(journal.steps))

        def show(steps: int) -> None:
            progress.update(bar, completed=steps)

        return asyncio.run(play_again(journal, lm, any_model=any_model, on_step=show))


def lines_of(difference: Difference) -> Iterator[str]:
    """Gives what is to be said of a difference: the step, then each stream that is not the same."""
    step, expected, came = difference.step, difference.expected, difference.came
    at_s = step / STEPS_IN_A_SECOND
    yield f"differs at step {step} ({at_s:.2f} s); up to there every token is equal"
    for name, then, now in (
        ("text", expected.text, came.text),
        ("moshi", expected.moshi, came.moshi),
        ("user", expected.user, came.user),
    ):
        if then != now:
            yield f"  {name:6} expected {_tokens(then)}, came {_tokens(now)}"


def _tokens(tokens: int | tuple[int, ...]) -> str:
    return str(tokens) if isinstance(tokens, int) else " ".join(map(str, tokens)) or "none"
