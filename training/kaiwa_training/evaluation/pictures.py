"""Pictures: what the codec leaves of a voice, and how a training went."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from kaiwa_server.audio import SAMPLE_RATE_HZ
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kaiwa_training.evaluation.clips import Samples

INK, LINE, GRID = "#333333", "#2f6690", "#e4e4e4"
DPI = 110
_WINDOW, _HOP = 512, 120
_RANGE_DB = 70.0
_TOP_HZ = 8_000
_COLUMNS = 3
_PANEL_INCHES = (3.6, 2.2)


@dataclass(frozen=True)
class Pair:
    """A sentence before and after the codec, each with its title."""

    title: str
    original: Samples
    decoded: Samples
    original_words: str
    decoded_words: str


def draw_pair(path: Path, pair: Pair) -> None:
    """Writes a PNG with the original's spectrogram above the decoded one's, on one scale."""
    figure = _figure(9.0, 5.0)
    spectra = [spectrum_db(sound) for sound in (pair.original, pair.decoded)]
    top_db = max(float(spectrum.max()) for spectrum in spectra)
    titles = (
        f"original, read as: {pair.original_words}",
        f"decoded, read as: {pair.decoded_words}",
    )
    axes = figure.subplots(2, 1, sharex=True, sharey=True)
    for axis, spectrum, title in zip(axes, spectra, titles, strict=True):
        image = _draw_spectrum(axis, spectrum, top_db)
        axis.set_title(title, loc="left", fontsize=9, color=INK, parse_math=False)
    axes[-1].set_xlabel("seconds", color=INK, fontsize=9)
    figure.suptitle(pair.title, x=0.01, ha="left", fontsize=12, color=INK, parse_math=False)
    bar = figure.colorbar(image, ax=axes, pad=0.015, aspect=40)
    bar.set_label("dB under the loudest", color=INK, fontsize=9)
    bar.ax.tick_params(labelsize=8, colors=INK)
    _save(figure, path)


def draw_curves(path: Path, logs: Sequence[Path]) -> None:
    """Writes a PNG with a panel for each figure in each log.

    A log has a line of JSON for each step: "step" and the figures by name.
    """
    panels = [panel for log in logs for panel in _panels(log)]
    rows = max(1, math.ceil(len(panels) / _COLUMNS))
    figure = _figure(_PANEL_INCHES[0] * _COLUMNS, _PANEL_INCHES[1] * rows)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axis, (title, steps, values) in zip(grid, panels, strict=False):
        axis.plot(steps, values, color=LINE, linewidth=0.5, alpha=0.35)
        axis.plot(steps, smooth(values), color=LINE, linewidth=1.5)
        axis.set_title(title, loc="left", fontsize=9, color=INK, parse_math=False)
        axis.grid(axis="y", color=GRID, linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8, colors=INK)
    for axis in grid[len(panels) :]:
        axis.set_visible(False)
    _save(figure, path)


def spectrum_db(samples: Samples) -> NDArray[np.float64]:
    """The short-time power spectrum, [frequencies, time] in dB; a frame every 5 ms."""
    padded = np.pad(samples, _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]  # [time, window]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), axis=1)) ** 2
    decibels: NDArray[np.float64] = 10 * np.log10(power.T + 1e-10)
    return decibels


def smooth(values: Sequence[float]) -> NDArray[np.float64]:
    """The mean over a fiftieth of the curve around each place."""
    width = max(1, len(values) // 50)
    ones = np.ones(width)
    summed = np.convolve(values, ones, mode="same")
    means: NDArray[np.float64] = summed / np.convolve(np.ones(len(values)), ones, mode="same")
    return means


def _draw_spectrum(axis: Any, spectrum: NDArray[np.float64], top_db: float) -> Any:
    seconds = spectrum.shape[1] * _HOP / SAMPLE_RATE_HZ
    image = axis.imshow(
        spectrum - top_db,
        origin="lower",
        aspect="auto",
        cmap="magma_r",
        vmin=-_RANGE_DB,
        vmax=0,
        extent=(0, seconds, 0, SAMPLE_RATE_HZ / 2000),
    )
    axis.set_ylim(0, _TOP_HZ / 1000)
    axis.set_ylabel("kHz", color=INK, fontsize=9)
    axis.tick_params(labelsize=8, colors=INK)
    return image


def _panels(log: Path) -> list[tuple[str, list[float], list[float]]]:
    """A log's figures: title, steps, values."""
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for line in log.read_text().splitlines():
        record = json.loads(line)
        step = record.pop("step")
        for name, value in record.items():
            if isinstance(value, int | float):
                steps, values = curves.setdefault(name, ([], []))
                steps.append(step)
                values.append(value)
    return [(f"{log.stem}: {name}", *curve) for name, curve in curves.items()]


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI)
