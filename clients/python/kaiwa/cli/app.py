"""The `kaiwa` command: talk with Moshi from a terminal."""

import asyncio
import json
from dataclasses import asdict

import typer
from rich.console import Console

from kaiwa.cli import options
from kaiwa.cli.bench.command import bench
from kaiwa.cli.exits import INTERRUPTED, exit_on_errors
from kaiwa.cli.questions import read_script
from kaiwa.cli.render import render_script
from kaiwa.cli.replay import replay
from kaiwa.cli.save import Outputs
from kaiwa.cli.sound_card import find_sound_card
from kaiwa.cli.tables import show_info
from kaiwa.cli.talk import Call, talk_live, talk_script
from kaiwa.client import Settings
from kaiwa.info import service_info

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def kaiwa() -> None:
    """Talk with Moshi, the speech model that listens and speaks at once."""


@app.command()
def talk(
    questions: options.Questions = None,
    server: options.Server = options.DEFAULT_SERVER,
    mic: options.Mic = False,
    lead_s: options.LeadS = 3.5,
    gap_s: options.GapS = None,
    tail_s: options.TailS = 6.0,
    encoding: options.HowSoundTravels = options.Format.OPUS,
    seed: options.Seed = None,
    greedy: options.Greedy = False,
    text_temperature: options.TextTemperature = None,
    audio_temperature: options.AudioTemperature = None,
    text_top_k: options.TextTopK = None,
    audio_top_k: options.AudioTopK = None,
    out: options.Out = None,
    stereo: options.Stereo = None,
    plot: options.Plot = None,
    transcript: options.Transcript = None,
    json_file: options.JsonFile = None,
    record: options.Record = False,
) -> None:
    """Ask Moshi aloud and hear what it answers.

    The sound is sent in real time, as a microphone would; files of any rate and channels will do.
    Moshi greets first: so the question comes after 3.5 s of silence (--lead-s), and 6 s of silence
    (--tail-s) leave room for the answer.

    **Mouth to ear** is how long Moshi takes, measured here on every frame of 80 ms: from
    the moment its first sample is at the microphone to the moment the first sound that can answer
    to it could be played. The floor is 160 ms. **Underruns** count how often a speaker
    that holds only 20 ms would have run dry.

    Ctrl-C ends the talk politely: the files are written and the exit status is 130. After an error
    it is 1.

    **Examples**

    ```
    kaiwa talk
    kaiwa talk question.wav --out reply.wav --plot talk.png
    kaiwa talk hello.wav joke.ogg --gap-s 8 --greedy --stereo talk.wav
    kaiwa talk --mic
    ```
    """
    if mic and questions:
        raise typer.BadParameter("give sound files or --mic, not both")
    settings = _settings(greedy, text_temperature, text_top_k, audio_temperature, audio_top_k, seed)
    call = Call(server, encoding.value, settings, record)
    outputs = Outputs(reply=out, stereo=stereo, plot=plot, transcript=transcript, json=json_file)
    with exit_on_errors():
        outputs.check()
        if mic:
            interrupted = asyncio.run(talk_live(call, find_sound_card(), outputs, Console()))
        else:
            script = read_script(questions, lead_s=lead_s, gap_s=gap_s, tail_s=tail_s)
            interrupted = asyncio.run(talk_script(call, script, outputs, Console()))
    if interrupted:
        raise typer.Exit(INTERRUPTED)


@app.command()
def render(
    questions: options.Questions = None,
    server: options.Server = options.DEFAULT_SERVER,
    lead_s: options.LeadS = 3.5,
    gap_s: options.GapS = None,
    tail_s: options.AfterS = 8.0,
    seed: options.Seed = None,
    greedy: options.Greedy = False,
    text_temperature: options.TextTemperature = None,
    audio_temperature: options.AudioTemperature = None,
    text_top_k: options.TextTopK = None,
    audio_top_k: options.AudioTopK = None,
    out: options.Out = None,
    stereo: options.Stereo = None,
    transcript: options.Transcript = None,
    json_file: options.JsonFile = None,
) -> None:
    """Have Moshi hear sound files and keep its reply, as fast as the model can.

    As `kaiwa talk`, but nobody waits for the clock: nothing is lost, and all that is measured is
    how much faster than the sound it was. The reply is as long as what Moshi heard, the silence
    before (--lead-s), between (--gap-s) and after (--tail-s) the questions included.

    Ctrl-C ends it: what there is of the reply is kept and the exit status is 130.

    **Examples**

    ```
    kaiwa render question.wav --out reply.wav
    kaiwa render hello.wav joke.ogg --gap-s 8 --greedy --json reply.json
    ```
    """
    settings = _settings(greedy, text_temperature, text_top_k, audio_temperature, audio_top_k, seed)
    outputs = Outputs(reply=out, stereo=stereo, transcript=transcript, json=json_file)
    with exit_on_errors():
        outputs.check()
        script = read_script(questions, lead_s=lead_s, gap_s=gap_s, tail_s=0)
        call = Call(server, "pcm", settings)
        asyncio.run(render_script(call, script, tail_s, outputs, Console()))


def _settings(
    greedy: bool,
    text_temperature: float | None,
    text_top_k: int | None,
    audio_temperature: float | None,
    audio_top_k: int | None,
    seed: int | None,
) -> Settings:
    if greedy and (text_temperature is not None or audio_temperature is not None):
        raise typer.BadParameter("--greedy sets both temperatures: leave them out")
    return Settings(
        text_temperature=0.0 if greedy else text_temperature,
        text_top_k=text_top_k,
        audio_temperature=0.0 if greedy else audio_temperature,
        audio_top_k=audio_top_k,
        seed=seed,
    )


@app.command()
def info(
    server: options.Server = options.DEFAULT_SERVER, json_flag: options.JsonFlag = False
) -> None:
    """See what is behind a server: its model, its codec, and how much room there is.

    **Examples**

    ```
    kaiwa info
    kaiwa info --server voice.example.org:50051 --json
    ```
    """
    with exit_on_errors():
        answer = asyncio.run(service_info(server))
    if json_flag:
        typer.echo(json.dumps(asdict(answer), indent=2))
    else:
        show_info(Console(), answer)


app.command()(bench)
app.command()(replay)
