"""A whole rendering: send a script, show what is answered and how fast, keep it."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from kaiwa.cli.coder import PcmCoder
from kaiwa.cli.measure import Figures
from kaiwa.cli.microphone import Recorded
from kaiwa.cli.patience import next_event
from kaiwa.cli.recording import HeardFrame, Recording
from kaiwa.cli.save import Outputs
from kaiwa.cli.screen import CallScreen
from kaiwa.cli.script import Script
from kaiwa.cli.sound import FRAME_S
from kaiwa.cli.tables import show_speed
from kaiwa.cli.talk import Call, keep
from kaiwa.events import Audio
from kaiwa.rendering import Reply, render

# Nobody waits for a frame of a rendering: it has no delays.
NOT_MEASURED = Figures(None, None, None, 0)


async def render_script(
    call: Call,
    script: Script,
    silence_after_s: float,
    outputs: Outputs,
    console: Console,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Has a script heard, then silence; shows the words and writes the files, however it ended.

    Raises:
        KaiwaError: the call failed.
        CannotDo: what came is no sound, or a file cannot be written.
    """
    screen = CallScreen(console, script.questions, script.duration_s + silence_after_s)
    recording: Recording | None = None
    began_s = clock()
    try:
        async with render(
            call.target,
            script.samples,
            settings=call.settings,
            silence_before_s=0,  # the script has its own
            silence_after_s=silence_after_s,
        ) as reply:
            console.print(Text(f"rendering with {reply.ready.model_name}, seed {reply.ready.seed}"))
            recording = Recording(reply.ready, PcmCoder.lookahead_samples, script.questions)
            recording.spoken.append(Recorded(script.samples, began_s))
            with screen:
                await _listen(reply, recording, screen, clock)
    finally:
        if recording is not None:
            show_speed(console, recording, clock() - began_s)
            keep(recording, NOT_MEASURED, outputs, console)


async def _listen(
    reply: Reply, recording: Recording, screen: CallScreen, clock: Callable[[], float]
) -> None:
    coder = PcmCoder()
    while (event := await next_event(reply)) is not None:
        if isinstance(event, Audio):
            frame = HeardFrame(event.frame_index, coder.decode(event), clock())
            recording.heard.append(frame)
            screen.spoke((event.frame_index + 1) * FRAME_S)
        recording.note(event)
        screen.heard(event)
