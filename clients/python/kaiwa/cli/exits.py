"""How the command ends: what goes wrong becomes a sentence and an exit status."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.text import Text

from kaiwa.cli.errors import CannotDo
from kaiwa.errors import KaiwaError

FAILED = 1
INTERRUPTED = 130
IS_IT_RUNNING = "Is a gateway running there? kaiwa-serve starts one; --server says where it is."


@contextmanager
def exit_on_errors() -> Iterator[None]:
    """Turns what goes wrong in the block into a sentence and an exit status."""
    try:
        yield
        return
    except KaiwaError as error:
        text = f"{error}\n{IS_IT_RUNNING}" if error.reason == "UNREACHABLE" else str(error)
        name = error.reason
    except CannotDo as error:
        text, name = str(error), "error"
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    console = Console(stderr=True)
    console.print(Text.assemble((f"{name}: ", "bold red"), (text, "red")), soft_wrap=True)
    raise typer.Exit(FAILED)
