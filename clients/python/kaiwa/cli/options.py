"""The command's arguments and options, each with the sentence that explains it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_SERVER = "localhost:50051"
DEFAULT_LM = "localhost:50053"
SOUND, MODEL, FILES = "Sound", "What to ask of the model", "What to keep"


class Format(StrEnum):
    """How sound travels."""

    OPUS = "opus"
    PCM = "pcm"
    MULAW = "mulaw"
    ALAW = "alaw"


Server = Annotated[
    str, typer.Option(envvar="KAIWA_SERVER", metavar="HOST:PORT", help="Where the gateway listens.")
]
Questions = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[QUESTION.wav]...",
        help="Sound files to say, one after the other. Without any, a conversation that comes "
        "with Kaiwa.",
        show_default=False,
    ),
]
Mic = Annotated[
    bool,
    typer.Option(
        "--mic", help="Talk through microphone and speaker until Ctrl-C. Wear headphones."
    ),
]
LeadS = Annotated[
    float,
    typer.Option(min=0, help="Silence before the first: Moshi greets.", rich_help_panel=SOUND),
]
GapS = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Silence between two questions. Default: 5 s; the conversation that comes with "
        "Kaiwa has its own.",
        show_default=False,
        rich_help_panel=SOUND,
    ),
]
TailS = Annotated[
    float,
    typer.Option(min=0, help="Silence after the last: room to answer.", rich_help_panel=SOUND),
]
AfterS = Annotated[
    float,
    typer.Option(
        "--tail-s",
        min=0,
        max=60,
        help="Silence after the last: room to answer.",
        rich_help_panel=SOUND,
    ),
]
HowSoundTravels = Annotated[
    Format,
    typer.Option(
        "--format",
        help="How sound travels. Mulaw and alaw: as on the phone.",
        rich_help_panel=SOUND,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=2**63 - 1,
        help="Same seed and same sound: same reply.",
        rich_help_panel=MODEL,
    ),
]
Greedy = Annotated[
    bool,
    typer.Option(
        "--greedy", help="Both temperatures 0: always the likeliest.", rich_help_panel=MODEL
    ),
]
TextTemperature = Annotated[
    float | None,
    typer.Option(min=0, max=5, help="How freely words are drawn.", rich_help_panel=MODEL),
]
AudioTemperature = Annotated[
    float | None,
    typer.Option(min=0, max=5, help="The same for the voice.", rich_help_panel=MODEL),
]
TextTopK = Annotated[
    int | None,
    typer.Option(
        min=1, max=32_000, help="From how many of the likeliest words.", rich_help_panel=MODEL
    ),
]
AudioTopK = Annotated[
    int | None,
    typer.Option(min=1, max=2_048, help="The same for the voice.", rich_help_panel=MODEL),
]
Out = Annotated[
    Path | None, typer.Option(help="Moshi's voice: .wav, .flac, .ogg.", rich_help_panel=FILES)
]
Stereo = Annotated[
    Path | None, typer.Option(help="Both voices: you left, Moshi right.", rich_help_panel=FILES)
]
Plot = Annotated[
    Path | None,
    typer.Option(help="A picture of voices, words and delays: .png, .svg.", rich_help_panel=FILES),
]
Transcript = Annotated[
    Path | None, typer.Option(help="Who said what and when, as text.", rich_help_panel=FILES)
]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", help="Words, times and figures, as JSON.", rich_help_panel=FILES),
]
Record = Annotated[
    bool,
    typer.Option(
        "--record",
        help="Have the service keep the talk, where its operator permits that.",
        rich_help_panel=FILES,
    ),
]
JournalPath = Annotated[
    Path,
    typer.Argument(
        metavar="JOURNAL",
        help="A recording's folder, or the journal.jsonl in it.",
        show_default=False,
    ),
]
Lm = Annotated[
    str,
    typer.Option(envvar="KAIWA_LM", metavar="HOST:PORT", help="Where the LM service listens."),
]
AnyModel = Annotated[
    bool, typer.Option("--any-model", help="Play it to a model of other weights, too.")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Sessions = Annotated[int, typer.Option(min=1, help="How many sessions there are at once.")]
Seconds = Annotated[float, typer.Option(min=1, help="How long each of them talks.")]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]HOST:PORT",
        help="Where a service has its metrics; once for each. Its name it tells itself.",
        show_default=False,
    ),
]
FiguresFile = Annotated[
    Path | None, typer.Option("--json", help="Every figure, as JSON.", show_default=False)
]
