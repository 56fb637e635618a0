"""The report: every figure beside its target, as a Markdown table and as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from kaiwa_training.evaluation.figure import Figure

_INTRODUCTION = """\
Answers are judged in live dialogues through the three services, at the pace of a real call, with
Opus both ways and the default temperatures: right is an answer that is word for word the one reply
of the question asked, and nothing else. Every engine of voices counts equally. Ranges of shares are
95% intervals (Wilson's), those of differences come from the same questions under both conditions.
A call in which the services dropped a frame was held once more, whatever was answered in it.
Word errors are those of PocketSphinx' general US English model, for which the name Moshi is an
error in every voice.
"""
_HEAD = ("figure", "measured", "range or parts", "cases", "target", "met")


def write_report(folder: Path, title: str, sections: Mapping[str, Sequence[Figure]]) -> Path:
    """Writes `report.md` and `report.json`; gives the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {name: [asdict(figure) for figure in rows] for name, rows in sections.items()}
    (folder / "report.json").write_text(json.dumps({"title": title} | figures, indent=1) + "\n")
    path = folder / "report.md"
    path.write_text(markdown(title, sections))
    return path


def markdown(title: str, sections: Mapping[str, Sequence[Figure]]) -> str:
    """The report's text: one table, its sections in order; empty ones are left out."""
    rows = [_row(_HEAD), _row(["---"] * len(_HEAD))]
    for name, figures in sections.items():
        if figures:
            rows.append(_row([f"**{name}**", *[""] * (len(_HEAD) - 1)]))
        rows += [_row(_cells(figure)) for figure in figures]
    return f"# {title}\n\n{_INTRODUCTION}\n" + "\n".join(rows) + "\n"


def _cells(figure: Figure) -> list[str]:
    cases = str(figure.cases) if figure.cases else ""
    met = "" if figure.met is None else "yes" if figure.met else "**no**"
    return [figure.name, figure.shown, figure.interval, cases, figure.target, met]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
