"""A whole talk: open it, hold it, show and keep what came of it."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from kaiwa.cli.coder import open_coder
from kaiwa.cli.conversation import Conversation
from kaiwa.cli.interrupt import on_interrupt
from kaiwa.cli.measure import Figures, figures_of
from kaiwa.cli.microphone import Microphone, Speaker
from kaiwa.cli.recording import Recording
from kaiwa.cli.save import Outputs, save
from kaiwa.cli.screen import CallScreen
from kaiwa.cli.script import Script, ScriptMicrophone
from kaiwa.cli.sound_card import OpenStream, SoundCard
from kaiwa.cli.tables import show_figures
from kaiwa.client import Encoding, Settings, connect


@dataclass(frozen=True, slots=True)
class Call:
    """With whom to talk, and how."""

    target: str
    encoding: Encoding = "opus"
    settings: Settings | None = None
    record: bool = False


async def talk_script(call: Call, script: Script, outputs: Outputs, console: Console) -> bool:
    """Says a script in real time; see `_talk`."""

    def open_devices() -> tuple[Microphone, None]:
        return ScriptMicrophone(script), None

    return await _talk(call, open_devices, script, outputs, console)


async def talk_live(
    call: Call, open_stream: OpenStream, outputs: Outputs, console: Console
) -> bool:
    """Talks through a sound card until Ctrl-C; see `_talk`."""

    def open_devices() -> tuple[Microphone, Speaker]:
        card = SoundCard(open_stream)
        return card, card

    return await _talk(call, open_devices, None, outputs, console)


async def _talk(
    call: Call,
    open_devices: Callable[[], tuple[Microphone, Speaker | None]],
    script: Script | None,
    outputs: Outputs,
    console: Console,
) -> bool:
    """Holds a conversation, shows its figures and writes its files, however it ended.

    Gives whether Ctrl-C ended it.

    Raises:
        KaiwaError: the call failed.
        CannotDo: a file, a device or a package is missing or wrong.
    """
    coder = open_coder(call.encoding)
    questions = script.questions if script is not None else ()
    screen = CallScreen(console, questions, script.duration_s if script is not None else None)
    recording: Recording | None = None
    try:
        async with connect(
            call.target, encoding=call.encoding, settings=call.settings, record=call.record
        ) as talk:
            console.print(Text(f"talking with {talk.ready.model_name}, seed {talk.ready.seed}"))
            if talk.ready.recording_id:
                console.print(Text(f"the service records it as {talk.ready.recording_id}"))
            recording = Recording(talk.ready, coder.lookahead_samples, questions)
            microphone, speaker = open_devices()
            conversation = Conversation(talk, microphone, coder, recording, screen, speaker)
            with on_interrupt(microphone.stop) as interrupt, screen:
                await conversation.hold()
    finally:
        if recording is not None:
            figures = figures_of(recording)
            show_figures(console, recording, figures)
            keep(recording, figures, outputs, console)
    return interrupt.pressed


def keep(recording: Recording, figures: Figures, outputs: Outputs, console: Console) -> None:
    """Writes the files that are asked for, and says where they are.

    Raises:
        CannotDo: one of them cannot be written.
    """
    save(outputs, recording, figures)
    if paths := outputs.paths():
        console.print("kept", ", ".join(map(str, paths)), highlight=False, soft_wrap=True)
