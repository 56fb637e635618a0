"""What the decoder and the LM are taught from: clean speech beside its codes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from kaiwa_server.audio import FRAME_SAMPLES
from kaiwa_server.models.mimi import Mimi
from numpy.typing import NDArray

from kaiwa_training.codec.decoder_training import Spoken
from kaiwa_training.codec.encoding import encode, whole_frames
from kaiwa_training.lm.bank import Reply, ReplyBank, text_stream
from kaiwa_training.lm.tokenizer import WordTokenizer
from kaiwa_training.speech.clips import speech_of
from kaiwa_training.speech.corpus import Corpus

LEAD_FRAMES = 28
"""Silence before a reply when it is encoded, as in a call: longer than the encoder looks back.

Each of its three layers looks back 8 frames.
"""

TAIL_FRAMES = 2
"""Silence that belongs to a reply, so that its last sounds fade."""

SILENCE_FRAMES = 200

QUIET_BEFORE, QUIET_AFTER = 4, 20
"""How much silence the decoder hears before and after a reply."""


def spoken(
    mimi: Mimi,
    corpus: Corpus,
    clips: Sequence[int],
    *,
    lead_frames: int,
    least_frames: int,
    seed: int,
) -> list[Spoken]:
    """Clean clips, from a little silence on, each at another level and place of a frame.

    What is shorter than `least_frames` ends in silence.
    """
    rng = np.random.default_rng(seed)
    sounds = []
    for clip in clips:
        gain = 10 ** (rng.uniform(-6, 4) / 20)
        offset = np.zeros(int(rng.integers(FRAME_SAMPLES)), np.float32)
        speech = np.concatenate((offset, speech_of(corpus, int(clip)) * np.float32(gain)))
        sound = whole_frames(speech, lead_frames)
        missing = max(0, least_frames * FRAME_SAMPLES - len(sound))
        sounds.append(np.pad(sound, (0, missing)))
    return [Spoken(*pair) for pair in zip(sounds, encode(mimi, sounds), strict=True)]


def replies(mimi: Mimi, corpus: Corpus, clips: Sequence[int]) -> list[Spoken]:
    """Moshi's replies exactly as they are said: on a frame's start, after silence."""
    tail = np.zeros(TAIL_FRAMES * FRAME_SAMPLES, np.float32)
    sounds = [
        whole_frames(np.concatenate((speech_of(corpus, clip), tail)), LEAD_FRAMES) for clip in clips
    ]
    return [Spoken(*pair) for pair in zip(sounds, encode(mimi, sounds), strict=True)]


def in_a_call(said: Sequence[Spoken], quiet: NDArray[np.uint16]) -> list[Spoken]:
    """What `replies` gives as the LM is to write it, between the tokens of `silence`.

    In their own recording there are other tokens around them: the encoder still hears the call's
    start, or the reply. A decoder that was taught only those would make noise of silence.
    """
    before, after = quiet[:, :QUIET_BEFORE], quiet[:, :QUIET_AFTER]
    still = [np.zeros(part.shape[1] * FRAME_SAMPLES, np.float32) for part in (before, after)]
    return [
        Spoken(
            np.concatenate((still[0], sound.pcm[LEAD_FRAMES * FRAME_SAMPLES :], still[1])),
            np.concatenate((before, sound.codes[:, LEAD_FRAMES:], after), axis=1),
        )
        for sound in said
    ]


def reply_bank(
    said: Sequence[Spoken],
    names: Sequence[str],
    texts: Sequence[str],
    starts_s: Sequence[Sequence[float]],
    tokenizer: WordTokenizer,
) -> ReplyBank:
    """The replies as the LM is to write them: what `replies` gives, without its silent lead."""
    made = []
    for name, text, sound, starts in zip(names, texts, said, starts_s, strict=True):
        codes = sound.codes[:, LEAD_FRAMES:]
        words = tokenizer.tokens(text)
        tokens = text_stream(words, starts, lead_frames=0, frames=codes.shape[1])
        made.append(Reply(name, text, codes, tokens))
    return ReplyBank(tuple(made))


def silence(mimi: Mimi) -> NDArray[np.uint16]:
    """The codes [8, n] of silence, once the call's start is forgotten."""
    frames = LEAD_FRAMES + SILENCE_FRAMES
    return encode(mimi, [np.zeros(frames * FRAME_SAMPLES, np.float32)])[0][:, LEAD_FRAMES:]


def save_spoken(path: Path, pools: Sequence[Sequence[Spoken]]) -> None:
    """Writes pools of clips for the decoder's training."""
    clips = [clip for pool in pools for clip in pool]
    np.savez(
        path,
        pcm=(np.concatenate([clip.pcm for clip in clips]).clip(-1, 1) * 32767).astype(np.int16),
        codes=np.concatenate([clip.codes for clip in clips], axis=1),
        lengths=np.array([clip.codes.shape[1] for clip in clips]),
        pools=np.array([len(pool) for pool in pools]),
    )


def load_spoken(path: Path) -> list[list[Spoken]]:
    """Reads what `save_spoken` wrote."""
    with np.load(path) as stored:
        pcm, codes = stored["pcm"], stored["codes"]
        lengths, pools = stored["lengths"], stored["pools"]
    ends = np.cumsum(lengths)
    clips = [
        Spoken(
            pcm[(end - length) * FRAME_SAMPLES : end * FRAME_SAMPLES].astype(np.float32) / 32767,
            codes[:, end - length : end],
        )
        for end, length in zip(ends, lengths, strict=True)
    ]
    firsts = np.cumsum(pools) - pools
    return [clips[first : first + count] for first, count in zip(firsts, pools, strict=True)]
