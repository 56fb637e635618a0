"""What a terminal shows, and what a file or a pipe gets."""

import io

from kaiwa.cli.screen import CallScreen
from kaiwa.cli.script import Question
from kaiwa.events import Audio, ContextRolled, FramesConcealed, GoingAway, Text, VoiceDropped
from rich.console import Console


def shown(*, terminal: bool, width: int = 100) -> str:
    """A short conversation on a screen."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=width)
    with CallScreen(console, (Question("[joke.wav]", 0.4, 0.8),), duration_s=4.0) as screen:
        for frame in range(40):
            screen.spoke((frame + 1) * 0.08)
            if frame == 1:
                screen.heard(Text("[red]Hello", True, 2, 160))
            if frame == 3:
                screen.heard(Text("there", True, 4, 320))
            screen.heard(Audio(frame, b""))
        screen.heard(ContextRolled(step=40, context_steps=40))
        screen.heard(GoingAway(step=40, grace_ms=1_500))
        screen.heard(Text("Bye", True, 41, 3_280))
    return file.getvalue()


def test_a_pipe_gets_each_line_once_it_is_complete_in_order() -> None:
    assert shown(terminal=False, width=20).splitlines() == [
        "  0.16 s  Moshi  [red]Hello there",
        "  0.40 s  you    [joke.wav]",
        "  3.20 s  note   from here on Moshi forgets the beginning of the talk",
        "  3.20 s  note   the service is going away in 1.5 s",
        "  3.28 s  Moshi  Bye",
    ]


def test_a_bad_network_is_told_of_once_and_lost_voice_each_time() -> None:
    file = io.StringIO()
    with CallScreen(Console(file=file)) as screen:
        for number, step in enumerate((5, 6, 9, 20, 50), start=1):
            screen.heard(FramesConcealed(step, 1, number))
        screen.heard(VoiceDropped(50, 2, 2))
    assert file.getvalue().splitlines() == [
        "  0.40 s  note   your sound came too late and was filled up",
        "  4.00 s  note   your sound came too late and was filled up",
        "  4.00 s  note   2 frames of Moshi's voice waited too long here",
    ]


def test_a_terminal_shows_words_as_they_come_and_a_clock() -> None:
    picture = shown(terminal=True)
    assert picture.index("[red]Hello") < picture.index("[red]Hello there")
    assert "of 4.00 s" in picture and "━" in picture
