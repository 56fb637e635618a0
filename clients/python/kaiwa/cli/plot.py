"""A conversation as a picture: both voices, Moshi's words, and the delay of every frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patheffects import withStroke

from kaiwa.cli.errors import CannotDo
from kaiwa.cli.measure import FLOOR_MS, GOAL_MS, Figures, delays_of
from kaiwa.cli.recording import Recording
from kaiwa.cli.sound import FRAME_S, SAMPLE_RATE_HZ, Samples
from kaiwa.cli.words import Word, words_of

USER, MOSHI, DELAY, GOAL, LOST, INK = "#2f6690", "#c8553d", "#4a4e69", "#3a7d44", "#b00020", "#333"
DPI = 130
WORD_POINTS = 9.5

# Inches.
INCHES_PER_S, MIN_WIDTH, MAX_WIDTH = 0.7, 11.0, 48.0
LEFT, RIGHT, TOP, BOTTOM, GAP = 0.95, 0.25, 0.6, 0.55, 0.18
VOICE_HEIGHT, DELAY_HEIGHT, WORD_HEIGHT = 1.05, 1.9, 0.22
WORD_SPACE = 0.09


@dataclass(frozen=True, slots=True)
class Page:
    """The figure, how much time it shows, and how wide that is."""

    figure: Figure
    duration_s: float
    width: float
    height: float

    def panel(self, bottom: float, height: float, label: str) -> Any:
        """Gives axes over the whole time, `bottom` and `height` in inches."""
        place = (
            LEFT / self.width,
            bottom / self.height,
            (self.width - LEFT - RIGHT) / self.width,
            height / self.height,
        )
        axes = self.figure.add_axes(place)
        axes.set_xlim(0, self.duration_s)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelbottom=False, colors=INK, labelsize=9)
        axes.set_ylabel(label, rotation=0, ha="right", va="center", color=INK, fontsize=10)
        return axes


def check_picture_format(path: Path) -> None:
    """Finds out whether `plot` knows the format that the file's name ends with.

    Raises:
        CannotDo: it does not.
    """
    if path.suffix[1:].lower() not in FigureCanvasAgg.get_supported_filetypes():
        raise CannotDo(f"cannot write {path}: end its name with .png, .svg or .pdf")


def plot(path: Path, recording: Recording, figures: Figures) -> None:
    """Writes the picture in the format that the file's name ends with.

    Raises:
        CannotDo: the format is not known or the file cannot be written.
    """
    figure = draw(recording, figures)
    try:
        figure.savefig(path, dpi=DPI)
    except (OSError, ValueError) as error:
        raise CannotDo(f"cannot write {path}: {error}") from error


def draw(recording: Recording, figures: Figures) -> Figure:
    """Gives the picture: from the top, the user, Moshi, Moshi's words, mouth to ear."""
    user, moshi = recording.user_track(), recording.moshi_track()
    words = [word for word in words_of(recording.pieces) if word.text.strip()]
    duration_s = max(len(user), len(moshi), SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    width = float(np.clip(INCHES_PER_S * duration_s, MIN_WIDTH, MAX_WIDTH))
    seconds_per_inch = duration_s / (width - LEFT - RIGHT)
    rows = rows_of(words, seconds_per_inch)
    words_height = (max(rows, default=0) + 1) * WORD_HEIGHT
    height = TOP + 2 * VOICE_HEIGHT + words_height + DELAY_HEIGHT + 3 * GAP + BOTTOM
    page = Page(Figure(figsize=(width, height)), duration_s, width, height)
    FigureCanvasAgg(page.figure)

    bottom = height - TOP - VOICE_HEIGHT
    _draw_voice(page.panel(bottom, VOICE_HEIGHT, "you"), user, USER)
    _name_questions(page.figure.axes[-1], recording)
    bottom -= GAP + VOICE_HEIGHT
    _draw_voice(page.panel(bottom, VOICE_HEIGHT, "Moshi"), moshi, MOSHI)
    bottom -= words_height
    _draw_words(page.panel(bottom, words_height, "words"), words, rows)
    _draw_delays(page.panel(BOTTOM, DELAY_HEIGHT, "mouth\nto ear\n(ms)"), recording)
    _write_title(page, recording, figures)
    return page.figure


def rows_of(words: Sequence[Word], seconds_per_inch: float) -> list[int]:
    """Gives each word the first row, from 0 at the top, in which it touches no other word."""
    font = get_font(findfont(FontProperties()))
    font.set_size(WORD_POINTS, 72)
    free_from_s: list[float] = []
    rows = []
    for word in words:
        font.set_text(word.text)
        points = font.get_width_height()[0] / 64  # FreeType counts in 64ths
        end_s = word.at_s + (points / 72 + WORD_SPACE) * seconds_per_inch
        row = next((r for r, free_s in enumerate(free_from_s) if free_s <= word.at_s), None)
        if row is None:
            row = len(free_from_s)
            free_from_s.append(end_s)
        free_from_s[row] = end_s
        rows.append(row)
    return rows


def envelope(samples: Samples, bins: int) -> tuple[Samples, Samples]:
    """Gives the lowest and the highest sample of each of at most `bins` equal pieces."""
    size = max(1, -(-len(samples) // bins))
    pieces = np.pad(samples, (0, -len(samples) % size)).reshape(-1, size)
    return pieces.min(axis=1), pieces.max(axis=1)


def _draw_voice(axes: Any, samples: Samples, colour: str) -> None:
    _keep_no_scale(axes)
    if len(samples) == 0:
        return
    low, high = envelope(samples, bins=4_000)
    seconds = np.linspace(0, len(samples) / SAMPLE_RATE_HZ, len(low), endpoint=False)
    loudest = max(float(np.abs(samples).max()), 0.05)
    axes.fill_between(seconds, low, high, color=colour, linewidth=0.4)
    axes.set_ylim(-1.08 * loudest, 1.08 * loudest)


def _name_questions(axes: Any, recording: Recording) -> None:
    for question in recording.questions:
        axes.axvspan(question.start_s, question.end_s, color=USER, alpha=0.08, linewidth=0)
        axes.annotate(
            question.name,
            (question.start_s, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            color=USER,
            fontsize=9,
        )


def _draw_words(axes: Any, words: Sequence[Word], rows: Sequence[int]) -> None:
    count = max(rows, default=0) + 1
    axes.set_ylim(count, 0)
    _keep_no_scale(axes)
    times_s = [word.at_s for word in words]
    axes.vlines(times_s, 0, [row + 0.8 for row in rows], color=MOSHI, linewidth=0.7, alpha=0.35)
    for word, row in zip(words, rows, strict=True):
        axes.text(
            word.at_s,
            row + 0.55,
            " " + word.text,
            fontsize=WORD_POINTS,
            color=INK,
            va="center",
            parse_math=False,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def _keep_no_scale(axes: Any) -> None:
    axes.set_yticks([])
    axes.tick_params(bottom=False)
    axes.spines[["left", "bottom"]].set_visible(False)


def _draw_delays(axes: Any, recording: Recording) -> None:
    delays = delays_of(recording)
    spoken_s = [delay.spoken_s for delay in delays]
    delays_ms = [delay.mouth_to_ear_ms for delay in delays]
    axes.axhline(FLOOR_MS, color=INK, linewidth=1, linestyle=(0, (4, 3)), label="floor, 160 ms")
    axes.axhline(GOAL_MS, color=GOAL, linewidth=1, label="goal, 200 ms")
    axes.plot(spoken_s, delays_ms, ".", color=DELAY, markersize=4, label="one frame")
    for number, drop in enumerate(recording.drops):
        label = "frames left out" if number == 0 else None
        axes.axvline(drop.step * FRAME_S, color=LOST, linewidth=1, label=label)
    highest = max([1.1 * GOAL_MS, *(1.05 * delay for delay in delays_ms)])
    axes.set_ylim(min([FLOOR_MS - 15, *(delay - 5 for delay in delays_ms)]), highest)
    axes.tick_params(labelbottom=True)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("seconds from the beginning of the session", color=INK, fontsize=10)
    axes.legend(loc="upper right", ncols=4, fontsize=9, frameon=True, framealpha=0.9, borderpad=0.3)


def _write_title(page: Page, recording: Recording, figures: Figures) -> None:
    ready = recording.ready
    title = f"A talk with {ready.model_name}, seed {ready.seed}"
    p50, p99 = figures.mouth_to_ear_p50_ms, figures.mouth_to_ear_p99_ms
    if p50 is not None and p99 is not None:
        title += f"     mouth to ear: p50 {p50:.0f} ms, p99 {p99:.0f} ms"
    page.figure.text(
        LEFT / page.width, 1 - 0.22 / page.height, title, fontsize=12, color=INK, va="center"
    )
