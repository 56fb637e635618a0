"""The model in the box answers what it is asked aloud, over the three real processes."""

import asyncio
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from e2e.talking import GREEDY, frames_of, silence, talk_to_gateway
from kaiwa_training.speech.clip import make_clip
from kaiwa_training.speech.espeak import Espeak, EspeakMissing
from kaiwa_training.speech.speech import Utterance, Voice
from kaiwa_training.texts.texts import Texts, load_texts
from numpy.typing import NDArray
from stack_process import Stack

VOICES = (Voice("espeak", "en-us+f2"), Voice("espeak", "en+m3"), Voice("espeak", "en-gb-x-rp+f3"))
CALLS_AT_ONCE = 4
GREETING_S, ANSWER_S = 3.5, 5.5

Say = Callable[[str, Voice], NDArray[np.float32]]


@pytest.fixture(scope="module")
def texts() -> Texts:
    return load_texts()


@pytest.fixture(scope="module")
def say() -> Say:
    """What a voice makes of a text; skips where the voices are not installed."""
    try:
        espeak = Espeak()
    except EspeakMissing as error:
        pytest.skip(str(error))

    def say(text: str, voice: Voice) -> NDArray[np.float32]:
        (speech,) = espeak.say([Utterance(text, voice)])
        return make_clip(speech).pcm.astype(np.float32) / 32768

    return say


def asked(questions: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """A call in which these are asked, with room for each answer."""
    sounds = [silence(GREETING_S)]
    for question in questions:
        sounds += [question, silence(ANSWER_S)]
    return frames_of(*sounds)


async def said_in(stack: Stack, calls: Sequence[NDArray[np.float32]]) -> list[str]:
    """Moshi's words in each of the calls."""
    free = asyncio.Semaphore(CALLS_AT_ONCE)

    async def hold(frames: NDArray[np.float32]) -> str:
        async with free:
            words, _ = await talk_to_gateway(stack.gateway, frames, GREEDY)
        return words

    return await asyncio.gather(*map(hold, calls))


async def test_every_question_is_answered_in_several_phrasings(
    stack: Stack, texts: Texts, say: Say
) -> None:
    calls, expected, wrong = [], [], []
    for place, intent in enumerate(texts.intents):
        phrasings = [intent.asked[0], intent.held_out[0]]
        voices = [VOICES[(place + i) % len(VOICES)] for i in range(len(phrasings))]
        questions = [say(text, voice) for text, voice in zip(phrasings, voices, strict=True)]
        calls.append(asked(questions))
        expected.append((intent.name, [intent.reply] * len(phrasings)))
    for (name, replies), words in zip(expected, await said_in(stack, calls), strict=True):
        heard = words.removeprefix(texts.greeting).strip()
        if heard != " ".join(replies):
            wrong.append((name, heard))
    assert len(wrong) <= len(texts.intents) // 10, wrong


async def test_several_questions_in_one_call_are_answered_in_turn(
    stack: Stack, texts: Texts, say: Say
) -> None:
    intents = [texts.intents[place] for place in (0, 2, 15, 10, 1)]
    call = asked([say(intent.asked[0], VOICES[0]) for intent in intents])
    (words,) = await said_in(stack, [call])
    assert words == " ".join([texts.greeting, *(intent.reply for intent in intents)])


async def test_anything_else_is_not_understood(stack: Stack, texts: Texts, say: Say) -> None:
    strange = (*texts.other_held_out[:5], *texts.sentences_held_out[:5])
    calls = [asked([say(text, VOICES[0])]) for text in strange]
    answers = await said_in(stack, calls)
    right = [words == f"{texts.greeting} {texts.not_understood}" for words in answers]
    assert sum(right) >= 8, answers


async def test_who_says_nothing_is_greeted_and_left_in_peace(stack: Stack, texts: Texts) -> None:
    (words,) = await said_in(stack, [frames_of(silence(30))])
    assert words == texts.greeting


async def test_a_question_while_it_speaks_is_answered_too(
    stack: Stack, texts: Texts, say: Say
) -> None:
    joke, name = texts.intents[1], texts.intents[0]
    call = frames_of(
        silence(GREETING_S),
        say(joke.asked[0], VOICES[0]),
        silence(1.5),
        say(name.asked[0], VOICES[0]),
        silence(2 * ANSWER_S),
    )
    (words,) = await said_in(stack, [call])
    assert words.startswith(f"{texts.greeting} {joke.reply[:14]}")
    assert words.endswith(f" {name.reply}")
