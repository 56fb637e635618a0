"""What one sees of a conversation while it goes on."""

from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text as Styled

from kaiwa.cli.script import Question
from kaiwa.cli.sound import FRAME_S
from kaiwa.cli.transcript import Line, Transcript, ask
from kaiwa.events import (
    Audio,
    ContextRolled,
    Event,
    FramesConcealed,
    FramesDropped,
    GoingAway,
    Text,
    VoiceDropped,
)

FRAMES_BETWEEN_REFRESHES = 2
# A network that is bad for a while is told of once: 2 s.
STEPS_BETWEEN_GAPS = 25


class CallScreen:
    """Prints each line once it is said; in a terminal, shows the words as they come and a bar.

    The terminal is redrawn right after a frame has come, when the next one is farthest away, so
    that drawing does not show in the measured delays.
    """

    def __init__(
        self,
        console: Console,
        questions: tuple[Question, ...] = (),
        duration_s: float | None = None,
    ) -> None:
        self._console = console
        self._questions = list(questions)
        self._duration_s = duration_s
        self._spoken_s = 0.0
        self._concealed_step = -STEPS_BETWEEN_GAPS
        self._transcript = Transcript()
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> "CallScreen":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
        self._print(self._transcript.close())
        self.spoke(self._spoken_s)

    def spoke(self, spoken_s: float) -> None:
        """So much of the user's sound has been sent: prints the questions that have begun.

        A question waits for what Moshi began to say before it, so that the lines are in order.
        """
        self._spoken_s = spoken_s
        while self._questions and self._questions[0].start_s <= spoken_s:
            line = self._transcript.open_line
            if line is not None and line.at_s < self._questions[0].start_s:
                return
            self._print(ask(self._questions.pop(0)))

    def heard(self, event: Event) -> None:
        """Shows what came from the service."""
        match event:
            case Text():
                self._print(self._transcript.add(event))
            case Audio():
                self._print(self._transcript.close_before(event.frame_index * FRAME_S))
                if self._live is not None and event.frame_index % FRAMES_BETWEEN_REFRESHES == 0:
                    self._live.update(self._picture(), refresh=True)
            case FramesDropped():
                frames = "1 frame" if event.frames == 1 else f"{event.frames} frames"
                self._notice(event.step, f"{frames} of your sound left out: too late or too fast")
            case FramesConcealed():
                if event.step > self._concealed_step + STEPS_BETWEEN_GAPS:
                    self._notice(event.step, "your sound came too late and was filled up")
                self._concealed_step = event.step
            case VoiceDropped():
                frames = "1 frame" if event.frames == 1 else f"{event.frames} frames"
                self._notice(event.step, f"{frames} of Moshi's voice waited too long here")
            case ContextRolled():
                self._notice(event.step, "from here on Moshi forgets the beginning of the talk")
            case GoingAway():
                grace_s = event.grace_ms / 1000
                self._notice(event.step, f"the service is going away in {grace_s:g} s")

    def _notice(self, step: int, text: str) -> None:
        self._print(Line(step * FRAME_S, "note", text), "yellow")

    def _print(self, line: Line | None, style: str | None = None) -> None:
        if line is not None:
            style = style or ("cyan" if line.who == "Moshi" else "dim")
            self._console.print(Styled(str(line), style=style), soft_wrap=True)

    def _picture(self) -> Group:
        line = self._transcript.open_line
        words = Styled(str(line) if line is not None else "", style="bold cyan")
        clock = Table.grid(padding=(0, 1))
        if self._duration_s is None:
            clock.add_row(f"{self._spoken_s:6.2f} s", "[dim]listening; Ctrl-C ends the talk[/dim]")
        else:
            bar = ProgressBar(total=self._duration_s, completed=self._spoken_s, width=40)
            clock.add_row(f"{self._spoken_s:6.2f} s", bar, f"of {self._duration_s:.2f} s")
        return Group(words, clock)
