"""What the user says, as a script: sound files, or the conversation that comes with Kaiwa."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from kaiwa.cli.script import Script, Turn, write_script
from kaiwa.cli.sound import read_sound

GAP_S = 5.0


@dataclass(frozen=True, slots=True)
class Line:
    """A file of the folder `questions`, the words in it, and the silence before it.

    The first of a conversation waits for as long as `--lead-s` says instead.
    """

    file: str
    words: str
    pause_s: float


# flite's voice rms, which the model in the box was not trained on. The last question but one comes
# while Moshi still tells the joke.
CONVERSATION = (
    Line("name.wav", "What is your name?", 3.5),
    Line("weather.wav", "What is the weather like today?", 5.0),
    Line("keys.wav", "Where are my keys?", 5.0),
    Line("joke.wav", "Can you tell me a joke?", 4.5),
    Line("hear.wav", "Can you hear me?", 3.4),
    Line("goodbye.wav", "Goodbye, Moshi.", 7.5),
)


def read_script(
    questions: Sequence[Path] | None, *, lead_s: float, gap_s: float | None, tail_s: float
) -> Script:
    """Reads the files, or without any the conversation, which has pauses of its own.

    Raises:
        CannotDo: one of the files is missing or is not a sound file.
    """
    with ExitStack() as opened:
        told = [(path, f"[{path.name}]", GAP_S) for path in questions or ()]
        if not told:
            folder = resources.files("kaiwa") / "questions"
            for line in CONVERSATION:
                path = opened.enter_context(resources.as_file(folder / line.file))
                told.append((path, line.words, line.pause_s))
        turns = [
            Turn(name, read_sound(path), pause_s if gap_s is None else gap_s)
            for path, name, pause_s in told
        ]
    return write_script([replace(turns[0], pause_s=lead_s), *turns[1:]], tail_s=tail_s)
