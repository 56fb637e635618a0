"""Was it right? Moshi's words in a call, held against what it should have said."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kaiwa.cli.measure import figures_of
from kaiwa.cli.words import Word, words_of

from kaiwa_training.evaluation.call import HeldCall
from kaiwa_training.evaluation.caller import Asked
from kaiwa_training.evaluation.lines import Lines
from kaiwa_training.evaluation.scenes import PlannedCall, Scene


@dataclass(frozen=True)
class Verdict:
    """What is kept of one question, or of a call in which nothing is asked."""

    call: str
    turn: int
    scene: str
    condition: str
    clip: str
    kind: int
    intent: str
    text: str
    voice: str
    engine: str
    expected: str
    heard: str
    right: bool
    first_word_s: float | None
    """From the question's end to the start of the first word, by the clock of the session."""
    greeting_right: bool
    frames_dropped: int
    frames_late: int
    lag_p99_ms: float
    """From a complete frame of the caller's to the frame that leaves on it, 99th percentile."""
    mouth_to_ear_p99_ms: float | None
    sent_late_ms: float
    """By how much the caller's latest packet left too late: the judge's own fault."""
    seed: int


@dataclass(frozen=True)
class Answer:
    """What came after a question, from its beginning to that of the next one."""

    heard: str
    right: bool
    first_word_s: float | None


def judge(planned: PlannedCall, held: HeldCall, lines: Lines) -> list[Verdict]:
    """One verdict for each question; one for a call without any."""
    words = words_of(held.recording.pieces)
    greeted_until_s = held.asked[0].start_s if held.asked else float("inf")
    greeting = _said(word for word in words if word.at_s < greeted_until_s)
    greeting_right = greeting == lines.greeting
    if not planned.clips:
        silent = Answer(greeting, greeting_right, None)
        return [_verdict(planned, held, 0, lines.greeting, silent, greeting_right)]
    expected = [lines.reply(clip.intent) for clip in planned.clips]
    if planned.scene is Scene.INTERRUPTION:
        answers = interrupted_answers(words, held.asked, expected)
    else:
        answers = answers_of(words, held.asked, expected)
    return [
        _verdict(planned, held, turn, expected[turn], answer, greeting_right)
        for turn, answer in enumerate(answers)
    ]


def answers_of(
    words: Sequence[Word], asked: Sequence[Asked], expected: Sequence[str]
) -> list[Answer]:
    """Each answer is right if it is the expected one, word for word and with nothing else."""
    answers = []
    for turn, question in enumerate(asked):
        since = _between(words, asked, turn)
        heard = _said(since)
        first_word_s = since[0].at_s - question.end_s if since else None
        answers.append(Answer(heard, heard == expected[turn], first_word_s))
    return answers


def interrupted_answers(
    words: Sequence[Word], asked: Sequence[Asked], expected: Sequence[str]
) -> list[Answer]:
    """Of two answers: the first has to begin rightly; its rest may lead the second one's words."""
    first, second = answers_of(words, asked, expected)
    begun, reply = first.heard.split(), expected[0].split()
    first_right = bool(begun) and reply[: len(begun)] == begun
    rest, heard, wanted = reply[len(begun) :], second.heard.split(), expected[1].split()
    leftover = len(heard) - len(wanted)
    second_right = first_right and 0 <= leftover <= len(rest) and heard == rest[:leftover] + wanted
    first_word_s = second.first_word_s
    if second_right:
        first_word_s = _between(words, asked, 1)[leftover].at_s - asked[1].end_s
    return [
        Answer(first.heard, first_right, first.first_word_s),
        Answer(second.heard, second_right, first_word_s),
    ]


def _between(words: Sequence[Word], asked: Sequence[Asked], turn: int) -> list[Word]:
    start_s = asked[turn].start_s
    end_s = asked[turn + 1].start_s if turn + 1 < len(asked) else float("inf")
    return [word for word in words if start_s <= word.at_s < end_s]


def _said(words: Iterable[Word]) -> str:
    return " ".join(word.text for word in words)


def _verdict(
    planned: PlannedCall,
    held: HeldCall,
    turn: int,
    expected: str,
    answer: Answer,
    greeting_right: bool,
) -> Verdict:
    clip = planned.clips[turn] if planned.clips else None
    mouth_to_ear_ms = figures_of(held.recording).mouth_to_ear_p99_ms
    return Verdict(
        call=planned.name,
        turn=turn,
        scene=planned.scene.value,
        condition=planned.condition.name,
        clip=clip.name if clip else "",
        kind=clip.kind if clip else 0,
        intent=clip.intent if clip else "",
        text=clip.text if clip else "",
        voice=clip.voice if clip else "",
        engine=clip.engine if clip else "",
        expected=expected,
        heard=answer.heard,
        right=answer.right,
        first_word_s=None if answer.first_word_s is None else round(answer.first_word_s, 3),
        greeting_right=greeting_right,
        frames_dropped=held.summary.frames_dropped,
        frames_late=held.summary.frames_late,
        lag_p99_ms=round(held.summary.turnaround_p99_ms, 1),
        mouth_to_ear_p99_ms=None if mouth_to_ear_ms is None else round(mouth_to_ear_ms, 1),
        sent_late_ms=round(held.sent_late_s * 1000, 1),
        seed=held.summary.seed,
    )
