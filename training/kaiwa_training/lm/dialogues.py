"""Conversations to train on, put together from tokens: rows of aligned frames and their labels."""

from dataclasses import dataclass, field

import numpy as np
from kaiwa_server.models.delays import NO_INPUT

from kaiwa_training.lm.bank import GREETING, NOT_UNDERSTOOD, Codes, ReplyBank
from kaiwa_training.lm.pool import QuestionPool
from kaiwa_training.lm.stores import NO_WORD, Array, BackgroundStore, QuestionStore
from kaiwa_training.lm.tokenizer import END_OF_PADDING, PADDING
from kaiwa_training.lm.turns import Manners, Saying, Turns

UNKNOWN = -1
"""Stands for "no label here"."""

MASKED, SILENT, SPEAKING = 0, 1, 2
"""What Moshi's voice is to do in a step; nothing is learnt of a masked one."""


@dataclass(frozen=True)
class TextWeights:
    """How much each kind of text token counts."""

    padding: float = 0.3
    padding_in_reply: float = 0.3
    padding_near_reply: float = 1.0
    word: float = 1.0
    first_word: float = 6.0
    frames_before: int = 8
    frames_after: int = 3


@dataclass(frozen=True)
class DialoguePlan:
    """How rows are made: their length, their pace, and how often what happens in them.

    In a dense row every reply is interrupted when it has gone on for `dense_frames`, so that the
    row holds more questions. Some replies begin `hasty_frames` before their time, and what is
    learnt of these is not to begin them but to go on. What is not understood is many things and
    drawn `strangeness` times as often as an intent.
    """

    frames: int = 256
    greeting_frame: int = 6
    manners: Manners = field(default_factory=Manners)
    dense: float = 0.6
    dense_frames: tuple[int, int] = (3, 12)
    quiet: float = 0.05
    early: float = 0.15
    barge_in: float = 0.25
    hasty: float = 0.12
    hasty_frames: tuple[int, int] = (6, 15)
    gap_frames: float = 12.0
    one_condition: float = 0.85
    noises_in_row: float = 0.5
    noise_frames: tuple[int, int] = (5, 40)
    strangeness: float = 3.0
    replaced_tokens: float = 0.08
    blurred_tokens: float = 0.25
    dropped_stream: float = 0.15
    word_heard_after: int = 2
    weights: TextWeights = field(default_factory=TextWeights)


@dataclass(frozen=True)
class Sounds:
    """What rows are made of: replies, Moshi's silence [codebooks, n], the user's surroundings.

    `noises` are sounds that come and go and are not speech; they may be none. `alike` has the
    tokens [entries, n] that sound most like each, for the first codebooks of the user.
    """

    bank: ReplyBank
    silence: Codes
    backgrounds: BackgroundStore
    noises: BackgroundStore | None
    codebook_size: int
    alike: tuple[Array, ...] = ()


@dataclass(frozen=True)
class Rows:
    """A batch: aligned frames [B, K, T] and what of them is learnt, [B, T] each.

    `text_weights` says how much a text token counts, `voice` what Moshi's voice does, `replies`
    which reply is due (UNKNOWN else), `words` which word has just been heard (UNKNOWN else).
    """

    tokens: Array
    text_weights: Array
    voice: Array
    replies: Array
    words: Array


class Dialogues:
    """Rows of one store of questions; each batch depends on its generator alone."""

    def __init__(self, questions: QuestionStore, sounds: Sounds, plan: DialoguePlan) -> None:
        self.plan, self.sounds = plan, sounds
        self.pool = QuestionPool(questions, {NOT_UNDERSTOOD: plan.strangeness})
        self._numbers = {name: number for number, name in enumerate(sounds.bank.names)}
        self._greeting = sounds.bank.number(GREETING)

    def batch(self, rows: int, rng: np.random.Generator) -> Rows:
        """So many rows."""
        made = [self._row(rng) for _ in range(rows)]
        return Rows(*(np.stack(parts) for parts in zip(*made, strict=True)))

    def _row(self, rng: np.random.Generator) -> tuple[Array, ...]:
        condition = self.pool.draw_condition(rng)
        asked, turns = self._converse(condition, rng.random() < self.plan.dense, rng)
        user, words = self._user(condition, asked, rng)
        tokens, weights, voice, replies = self._moshi(turns, rng)
        self._weigh_listening(asked, tokens[0], weights)
        self._disturb(user, rng)
        return np.concatenate((tokens, user)), weights, voice, replies, words

    def _converse(
        self, condition: int, dense: bool, rng: np.random.Generator
    ) -> tuple[list[tuple[int, int]], Turns]:
        """The questions (number, first frame of the clip) and what Moshi says."""
        plan, store = self.plan, self.pool.store
        greeting = Saying(self._greeting, plan.greeting_frame, self._frames(self._greeting), None)
        turns = Turns(greeting, plan.manners)
        asked: list[tuple[int, int]] = []
        if not dense and rng.random() < plan.quiet:
            return asked, turns
        mixed = rng.random() >= plan.one_condition
        free, barge_in = 0, plan.early
        while True:
            if dense:
                start = max(free, turns.sayings[-1].start + int(rng.integers(*plan.dense_frames)))
            elif free < turns.end and rng.random() < barge_in:
                start = int(rng.integers(free, turns.end))
            else:
                start = max(free, turns.end) + int(rng.exponential(plan.gap_frames))
            if start >= plan.frames:
                return asked, turns
            question = self.pool.draw(self.pool.draw_condition(rng) if mixed else condition, rng)
            asked.append((question, start))
            reply = self._numbers[store.intent[question]]
            speech_end = start + int(store.speech_end_frame[question])
            early = self._early(speech_end - start, rng)
            turns.ask(reply, self._frames(reply), start, speech_end, early)
            free = start + int(store.lengths[question])
            barge_in = plan.barge_in

    def _early(self, speech_frames: int, rng: np.random.Generator) -> int:
        """How much too early a reply begins, mostly 0; never before Moshi has fallen silent."""
        if rng.random() >= self.plan.hasty:
            return 0
        manners = self.plan.manners
        most = speech_frames + manners.answers_after - manners.breaks_off_after - 2
        return max(0, min(int(rng.integers(*self.plan.hasty_frames)), most))

    def _frames(self, reply: int) -> int:
        """How long a reply is."""
        return len(self.sounds.bank.replies[reply].tokens)

    def _user(
        self, condition: int, asked: list[tuple[int, int]], rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """The user's codes [codebooks, T] and the words heard [T]."""
        plan, store = self.plan, self.pool.store
        user = self.sounds.backgrounds.row(self.pool.conditions[condition], plan.frames, rng)
        words = np.full(plan.frames, UNKNOWN, np.int64)
        self._make_noise(user, rng)
        for question, start in asked:
            codes = store.clip(question)[:, : plan.frames - start]
            user[:, start : start + codes.shape[1]] = codes
            spoken, heard = store.clip_words(question), start + plan.word_heard_after
            if spoken is not None and heard < plan.frames:
                labels = spoken[: plan.frames - heard]
                words[heard : heard + len(labels)] = np.where(labels == NO_WORD, UNKNOWN, labels)
        return user, words

    def _make_noise(self, user: Array, rng: np.random.Generator) -> None:
        """Puts a few sounds that are not speech into the row."""
        noises, (least, most) = self.sounds.noises, self.plan.noise_frames
        if noises is None or rng.random() >= self.plan.noises_in_row:
            return
        for _ in range(int(rng.integers(1, 4))):
            noise = noises.clip(int(rng.integers(len(noises))))
            frames = min(int(rng.integers(least, most + 1)), noise.shape[1])
            first = int(rng.integers(noise.shape[1] - frames + 1))
            start = int(rng.integers(self.plan.frames))
            room = min(frames, self.plan.frames - start)
            user[:, start : start + room] = noise[:, first : first + room]

    def _moshi(self, turns: Turns, rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
        """Moshi's tokens [1 + codebooks, T], the text's weights, the voice and the replies due."""
        frames, weights = self.plan.frames, self.plan.weights
        answers_after = self.plan.manners.answers_after
        silence = self.sounds.silence
        looped = (int(rng.integers(silence.shape[1])) + np.arange(frames)) % silence.shape[1]
        # Longer than the row, so that what is said at its end needs no special case.
        room = max(frames, turns.end) + weights.frames_after + 1
        tokens = np.full((1 + len(silence), room), PADDING, np.int64)
        tokens[1:, :frames] = silence[:, looped]
        text_weights = np.full(room, weights.padding, np.float32)
        voice = np.full(room, SILENT, np.int8)
        replies = np.full(room, UNKNOWN, np.int64)
        for saying in turns.sayings:
            reply = self.sounds.bank.replies[saying.reply]
            place = slice(saying.start, saying.end)
            tokens[0, place] = reply.tokens[: saying.length]
            tokens[1:, place] = reply.codes[:, : saying.length]
            # The acoustic tokens of its last frame are written one step later.
            voice[saying.start : saying.end + 1] = SPEAKING
            if saying.asked is not None:
                # A step has heard the frame before it.
                replies[saying.asked + 2 : saying.start + 1] = saying.reply
            first_word = weigh(saying, tokens[0], text_weights, weights)
            if saying.asked is not None and saying.start < saying.asked + answers_after:
                text_weights[max(0, saying.start - weights.frames_before) : first_word + 1] = 0.0
                voice[max(0, saying.start - 1) : saying.start + 2] = MASKED
        return tokens[:, :frames], text_weights[:frames], voice[:frames], replies[:frames]

    def _weigh_listening(self, asked: list[tuple[int, int]], text: Array, weights: Array) -> None:
        """Lets it count that nothing is said while a question goes on."""
        for question, start in asked:
            heard = slice(start, start + int(self.pool.store.speech_end_frame[question]))
            silent = (text[heard] == PADDING) & (weights[heard] > 0)
            weights[heard][silent] = self.plan.weights.padding_near_reply

    def _disturb(self, user: Array, rng: np.random.Generator) -> None:
        """Replaces some of the user's tokens, by like ones and by any, and takes whole acoustic
        streams away."""
        share = rng.random() * self.plan.blurred_tokens
        for stream, alike in zip(user, self.sounds.alike, strict=False):
            blurred = np.flatnonzero(rng.random(len(stream), dtype=np.float32) < share)
            picks = rng.integers(alike.shape[1], size=len(blurred))
            stream[blurred] = alike[stream[blurred], picks]
        share = rng.random() * self.plan.replaced_tokens
        wrong = rng.random(user.shape, dtype=np.float32) < share
        user[wrong] = rng.integers(self.sounds.codebook_size, size=int(wrong.sum()))
        dropped = rng.random(len(user)) < self.plan.dropped_stream
        dropped[0] = False
        user[dropped] = NO_INPUT


def weigh(saying: Saying, text: Array, into: Array, weights: TextWeights) -> int:
    """Ends the padding before a saying in the text [T], and weighs what is around and in it.

    Gives the frame of its first word.
    """
    first_word = saying.start
    while text[first_word] in (PADDING, END_OF_PADDING) and first_word < saying.end - 1:
        first_word += 1
    if first_word > 0 and text[first_word - 1] == PADDING:
        text[first_word - 1] = END_OF_PADDING
    said = text[saying.start : saying.end]
    into[saying.start : saying.end] = np.where(
        said == PADDING, weights.padding_in_reply, weights.word
    )
    into[max(0, saying.start - weights.frames_before) : first_word] = weights.padding_near_reply
    into[saying.end : saying.end + weights.frames_after] = weights.padding_near_reply
    into[max(0, first_word - 1) : first_word + 1] = weights.first_word
    return first_word
