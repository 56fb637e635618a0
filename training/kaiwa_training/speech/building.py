"""Builds a corpus: plans its clips, makes the shards in parallel, and joins them."""

import json
import multiprocessing
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import DTypeLike
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kaiwa_training.speech.corpus import CLIP_FIELDS, WORD_FIELDS
from kaiwa_training.speech.plan import PlannedClip, plan_clips
from kaiwa_training.speech.shards import Shard, make_shard, plan_shards
from kaiwa_training.speech.speech import Voice
from kaiwa_training.texts.texts import load_texts, words_of


def build_corpus(folder: Path, seed: int, processes: int, scale: float = 1.0) -> None:
    """Builds a corpus in `folder`; the same seed and scale give the same corpus.

    A build that was broken off continues with its next shard. Raises what the voice engines
    raise when one is not installed.
    """
    planned = plan_clips(load_texts(), seed, scale)
    shard_folder = folder / "shards"
    shard_folder.mkdir(parents=True, exist_ok=True)
    shards = plan_shards(planned, shard_folder)
    _make_shards(shards, processes)
    join_shards(shards, folder)
    shutil.rmtree(shard_folder)


def _make_shards(shards: tuple[Shard, ...], processes: int) -> None:
    columns = (TextColumn("voices"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    context = multiprocessing.get_context("spawn")
    with (
        Progress(*columns) as progress,
        context.Pool(processes, maxtasksperchild=1) as pool,
    ):
        task = progress.add_task("voices", total=sum(len(shard.clips) for shard in shards))
        for made in pool.imap_unordered(make_shard, shards):
            progress.advance(task, made)


def join_shards(shards: tuple[Shard, ...], folder: Path) -> None:
    """Joins shards that are made into the corpus in `folder`."""
    planned = [clip for shard in shards for clip in shard.clips]
    texts = list(dict.fromkeys(clip.utterance.text for clip in planned))
    voices = list(dict.fromkeys(clip.utterance.voice for clip in planned))
    vocabulary = sorted({word for text in texts for word in words_of(text)})
    clips = _clips(planned, texts, voices)
    _join_sound(shards, folder, clips)
    np.save(folder / "words.npy", _words(shards, vocabulary))
    for name, content in (
        ("texts.json", texts),
        ("voices.json", [asdict(voice) for voice in voices]),
        ("vocabulary.json", vocabulary),
    ):
        (folder / name).write_text(json.dumps(content, indent=0) + "\n", encoding="utf-8")
    # Last, since a corpus with its clips is whole.
    np.save(folder / "clips.npy", clips)


def _clips(
    planned: list[PlannedClip], texts: list[str], voices: list[Voice]
) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Gives the clips without their places in the sound."""
    text_places = {text: place for place, text in enumerate(texts)}
    voice_places = {voice: place for place, voice in enumerate(voices)}
    clips = np.zeros(len(planned), CLIP_FIELDS)
    for clip, row in zip(planned, clips, strict=True):
        row["text"] = text_places[clip.utterance.text]
        row["voice"] = voice_places[clip.utterance.voice]
        row["kind"], row["intent"] = clip.kind, clip.intent
        row["rate"], row["pitch"] = clip.utterance.rate, clip.utterance.pitch
    return clips


def _join_sound(
    shards: tuple[Shard, ...], folder: Path, clips: np.ndarray[tuple[int], np.dtype[np.void]]
) -> None:
    """Writes pcm.npy and phones.npy, and each clip's place in them into `clips`."""
    streams: tuple[tuple[str, DTypeLike], ...] = (("pcm", np.int16), ("phones", np.uint8))
    for name, dtype in streams:
        lengths = np.concatenate([np.load(shard.path)[f"{name}_lengths"] for shard in shards])
        clips[f"{name}_length"] = lengths
        clips[f"{name}_start"] = np.cumsum(lengths) - lengths
        joined = open_memmap(
            folder / f"{name}.npy", mode="w+", dtype=dtype, shape=(int(lengths.sum()),)
        )
        start = 0
        for shard in shards:
            part = np.load(shard.path)[name]
            joined[start : start + len(part)] = part
            start += len(part)
        joined.flush()


def _words(
    shards: tuple[Shard, ...], vocabulary: list[str]
) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    places = {word: place for place, word in enumerate(vocabulary)}
    parts = []
    first_clip = 0
    for shard in shards:
        with np.load(shard.path) as made:
            timed, spoken = made["words"], made["spoken"]
        part = np.zeros(len(timed), WORD_FIELDS)
        part["clip"] = timed[:, 0] + first_clip
        part["word"] = [places[word] for word in spoken]
        part["start_cs"], part["end_cs"] = timed[:, 1], timed[:, 2]
        parts.append(part)
        first_clip += len(shard.clips)
    return np.concatenate(parts)
