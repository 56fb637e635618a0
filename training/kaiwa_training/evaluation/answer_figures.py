"""How many answers were right: by kind, engine, scene and condition."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kaiwa_training.evaluation.conditions import CLEAN
from kaiwa_training.evaluation.figure import Figure, grouped, share
from kaiwa_training.evaluation.intervals import paired_difference
from kaiwa_training.evaluation.judging import Verdict
from kaiwa_training.evaluation.scenes import Scene
from kaiwa_training.evaluation.targets import Targets
from kaiwa_training.speech.plan import Kind

KINDS = {
    Kind.HELD_OUT_PHRASING: "held-out phrasings, training voices",
    Kind.HELD_OUT_VOICE: "training phrasings, held-out voices",
    Kind.HELD_OUT_BOTH: "held-out phrasings, held-out voices",
}
SCENES = {
    Scene.SILENCE: "20 s of silence: nothing but the greeting",
    Scene.NOISE: "20 s of noise: nothing but the greeting",
    Scene.INTERRUPTION: "a question during the reply to another: answered",
    Scene.FIVE_QUESTIONS: "five questions in a call: answered",
    Scene.NOT_UNDERSTOOD: "speech without a reply: not understood",
}

STRANGE = {
    Kind.HELD_OUT_BOTH: "questions near those it knows",
    Kind.HELD_OUT_SENTENCE: "plain sentences",
}


def kind_figures(verdicts: Sequence[Verdict], targets: Targets) -> list[Figure]:
    """Right answers to clean questions, all engines counting equally; how soon they came."""
    clean = _clean(verdicts)
    figures = []
    for kind, title in KINDS.items():
        engines = grouped([v for v in clean if v.kind == kind], lambda verdict: verdict.engine)
        if engines:
            figures.append(_kind_figure(title, engines, targets.right_by_kind[kind], targets))
            figures += [
                share(f"{title}: {engine}", _rate(group), len(group))
                for engine, group in engines.items()
            ]
    return figures + _first_word_figures(clean)


def scene_figures(verdicts: Sequence[Verdict], targets: Targets) -> list[Figure]:
    """Greetings, and the scenes beside questions in turn."""
    calls = {verdict.call: verdict for verdict in verdicts}.values()
    figures = []
    if calls:
        greeted = sum(verdict.greeting_right for verdict in calls) / len(calls)
        figures.append(share("greeting, word for word", greeted, len(calls), targets.scenes))
    for scene, title in SCENES.items():
        judged = [verdict for verdict in verdicts if verdict.scene == scene]
        if scene is Scene.INTERRUPTION:
            judged = [verdict for verdict in judged if verdict.turn == 1]
        if judged:
            figures.append(share(title, _rate(judged), len(judged), targets.scenes))
        if scene is Scene.NOT_UNDERSTOOD:
            figures += _strange_figures(judged)
    return figures


def condition_figures(verdicts: Sequence[Verdict], targets: Targets) -> list[Figure]:
    """Each condition, and its difference from the clean one on the same clips."""
    clean = {verdict.clip: verdict.right for verdict in _clean(verdicts)}
    others = [
        verdict
        for verdict in verdicts
        if verdict.scene == Scene.TWO_QUESTIONS
        and verdict.condition != CLEAN.name
        and verdict.clip in clean
    ]
    figures = []
    for condition, group in grouped(others, lambda verdict: verdict.condition).items():
        pairs = [(clean[verdict.clip], verdict.right) for verdict in group]
        figures.append(share(condition, _rate(group), len(group)))
        figures.append(_difference_figure(condition, pairs, targets.condition_loss))
    return figures


def _strange_figures(verdicts: Sequence[Verdict]) -> list[Figure]:
    groups = grouped(verdicts, lambda verdict: STRANGE[Kind(verdict.kind)])
    return [share(f"of these, {name}", _rate(group), len(group)) for name, group in groups.items()]


def _clean(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The newest verdict on each clip: plans of several sizes may have asked the same one."""
    clean = [v for v in verdicts if v.scene == Scene.TWO_QUESTIONS and v.condition == CLEAN.name]
    return list({verdict.clip: verdict for verdict in clean}.values())


def _rate(verdicts: Sequence[Verdict]) -> float:
    return sum(verdict.right for verdict in verdicts) / len(verdicts)


def _kind_figure(
    title: str, engines: dict[str, list[Verdict]], least: float, targets: Targets
) -> Figure:
    rates = [_rate(group) for group in engines.values()]
    cases = sum(map(len, engines.values()))
    figure = share(title, sum(rates) / len(rates), cases, least)
    return replace(
        figure,
        target=f"{figure.target} of {targets.questions}",
        met=figure.met and cases >= targets.questions,
    )


def _first_word_figures(verdicts: Sequence[Verdict]) -> list[Figure]:
    seconds = [v.first_word_s for v in verdicts if v.right and v.first_word_s is not None]
    if not seconds:
        return []
    low, middle, high = (float(value) for value in np.percentile(seconds, [5, 50, 95]))
    return [
        Figure(
            "from a question's end to the first word of its right answer: median",
            middle,
            f"{middle:.2f} s",
            f"90% within {low:.2f} to {high:.2f} s",
            len(seconds),
        )
    ]


def _difference_figure(condition: str, pairs: list[tuple[bool, bool]], most: float) -> Figure:
    difference, low, high = paired_difference(pairs)
    return Figure(
        f"{condition}, against clean",
        difference,
        f"{100 * difference:+.1f} points",
        f"{100 * low:+.1f} to {100 * high:+.1f}",
        len(pairs),
        f">= {-100 * most:.0f} points",
        difference >= -most,
    )
