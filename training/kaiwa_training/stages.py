"""The stages of the demo model's training, each from what the ones before it left."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from kaiwa_training.codec.decoder_training import Crops, DecoderPlan, train_decoder
from kaiwa_training.codec.encoder_training import JUDGED, EncoderPlan, train_encoder
from kaiwa_training.codec.encoding import hearing, load_mimi
from kaiwa_training.codec.export import export_codec
from kaiwa_training.codec.material import (
    in_a_call,
    load_spoken,
    replies,
    reply_bank,
    save_spoken,
    silence,
    spoken,
)
from kaiwa_training.codec.questions import make_backgrounds, make_questions
from kaiwa_training.lm.bank import GREETING, NOT_UNDERSTOOD, ReplyBank
from kaiwa_training.lm.dialogues import Sounds
from kaiwa_training.lm.export import export_lm
from kaiwa_training.lm.hearing import Hearing
from kaiwa_training.lm.judgement import Judgement, judge
from kaiwa_training.lm.rollout import RolloutPlan
from kaiwa_training.lm.shape import demo_lm
from kaiwa_training.lm.stores import BackgroundStore, QuestionStore
from kaiwa_training.lm.tokenizer import WordTokenizer, train_tokenizer
from kaiwa_training.lm.training import CHECKPOINT_NAME, LmPlan, train_lm, trained_lm
from kaiwa_training.speech.corpus import Corpus
from kaiwa_training.speech.plan import Kind
from kaiwa_training.texts.texts import Texts
from kaiwa_training.workplace import Workplace

Show = Callable[[int, dict[str, float]], None]

JUDGED_ONE_IN = 4
"""Of the clips that are held out. Those of each engine lie side by side, so of each engine too."""
SHARD_QUESTIONS = 1000
BACKGROUNDS = 24
TOKENS_ALIKE = 5
DECODER_QUESTIONS, DECODER_SENTENCES = 1500, 2500


def names(texts: Texts) -> tuple[str, ...]:
    """The replies' names, in the order of `Texts.replies`."""
    return (*(intent.name for intent in texts.intents), NOT_UNDERSTOOD, GREETING)


def encoder(place: Workplace, plan: EncoderPlan, show: Show) -> None:
    """Trains the encoder and the codebooks."""
    train_encoder(Corpus(place.corpus), place.codec, plan, show)


def tokens(place: Workplace, texts: Texts, device: str) -> None:
    """Encodes what the decoder and the LM learn from."""
    corpus, mimi = Corpus(place.corpus), load_mimi(place.encoder, device)
    rng = np.random.default_rng(5)
    users = [
        *rng.choice(corpus.of_kind(Kind.TRAINING_QUESTION), DECODER_QUESTIONS, replace=False),
        *rng.choice(corpus.of_kind(Kind.TRAINING_SENTENCE), DECODER_SENTENCES, replace=False),
    ]
    said = sorted(
        corpus.of_kind(Kind.MOSHI_REPLY).tolist(),
        key=lambda clip: int(corpus.clips["intent"][clip]),
    )
    own = corpus.of_kind(Kind.MOSHI_SENTENCE).tolist()
    exactly, quiet = replies(mimi, corpus, said), silence(mimi)
    crop = DecoderPlan().frames
    save_spoken(
        place.material,
        [
            spoken(mimi, corpus, users, lead_frames=4, least_frames=crop, seed=6),
            spoken(mimi, corpus, own, lead_frames=4, least_frames=crop, seed=7),
            in_a_call(exactly, quiet),
        ],
    )
    place.lm.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer(texts.replies())
    tokenizer.save(place.tokenizer)
    starts_s = [(corpus.words(clip)["start_cs"] / 100).tolist() for clip in said]
    reply_bank(exactly, names(texts), texts.replies(), starts_s, tokenizer).save(place.bank)
    np.save(place.silence, quiet)
    hearing(place.encoder).save(place.hearing)
    make_backgrounds(mimi, seed=8, each=BACKGROUNDS).save(place.backgrounds)


def questions(place: Workplace, texts: Texts, shards: int, device: str, show: Show) -> None:
    """Encodes questions to train the LM on, every shard anew; those that are there stay."""
    corpus, mimi = Corpus(place.corpus), load_mimi(place.encoder, device)
    asked = corpus.of_kind(Kind.TRAINING_QUESTION, Kind.TRAINING_SENTENCE)
    place.questions.mkdir(exist_ok=True)
    for shard in range(shards):
        path = place.questions / f"{shard:04}.npz"
        if not path.exists():
            clips = np.random.default_rng((10, shard)).choice(asked, SHARD_QUESTIONS)
            hard = 0.3 if shard % 4 == 0 else 1.0
            make_questions(mimi, corpus, names(texts), clips, seed=shard, hard=hard).save(path)
        show(shard + 1, {})


def decoder(place: Workplace, plan: DecoderPlan, show: Show) -> None:
    """Trains the decoder."""
    users, own, said = load_spoken(place.material)
    crops = Crops([(users, 2), (own, 2), (said, 4)], plan.frames)
    last = Crops([(users, 1), (own, 1), (said, 6)], plan.frames)
    train_decoder(load_mimi(place.encoder), crops, last, place.codec, plan, show)


def lm(place: Workplace, plan: LmPlan, show: Show) -> None:
    """Trains the LM on the questions there are, and those that come meanwhile."""
    plan = replace(plan, words=len(Corpus(place.corpus).vocabulary))
    heard = Hearing.load(place.hearing)
    sounds = Sounds(
        bank=ReplyBank.load(place.bank),
        silence=np.load(place.silence),
        backgrounds=BackgroundStore.load(place.backgrounds),
        noises=None,
        codebook_size=demo_lm(1).codebook_size,
        alike=heard.alike(TOKENS_ALIKE),
    )
    config = demo_lm(WordTokenizer.load(place.tokenizer).size)
    train_lm(config, sounds, place.questions, place.lm, plan, show, heard)


def judged_questions(place: Workplace, texts: Texts) -> None:
    """Encodes the questions to judge the LM by, as clean and as noisy ones; a set that is there
    stays."""
    corpus, mimi = Corpus(place.corpus), load_mimi(place.encoder)
    place.judged.mkdir(exist_ok=True)
    for name, kind in JUDGED.items():
        clips = corpus.of_kind(kind)[::JUDGED_ONE_IN]
        for sort, hard in (("clean", 0.0), ("noisy", 0.5)):
            path = place.judged / f"{name}-{sort}.npz"
            if not path.exists():
                make_questions(mimi, corpus, names(texts), clips, seed=9, hard=hard).save(path)


def judge_lm(place: Workplace, texts: Texts) -> Iterator[tuple[str, Judgement]]:
    """Judges the LM offline, on every set of questions that it was not trained on."""
    judged_questions(place, texts)
    corpus, tokenizer = Corpus(place.corpus), WordTokenizer.load(place.tokenizer)
    trained = trained_lm(place.lm / CHECKPOINT_NAME, demo_lm(tokenizer.size)).eval()
    bank, backgrounds = ReplyBank.load(place.bank), BackgroundStore.load(place.backgrounds)
    engines = np.array([voice.engine for voice in corpus.voices])
    for path in sorted(place.judged.glob("*.npz")):
        asked = QuestionStore.load(path)
        groups = {"engine": engines[asked.voice]}
        found = judge(trained, bank, tokenizer, asked, backgrounds, RolloutPlan(), groups)
        yield path.stem, found


def export(place: Workplace, folder: Path) -> None:
    """Writes the finished model."""
    tokenizer = WordTokenizer.load(place.tokenizer)
    export_lm(trained_lm(place.lm / CHECKPOINT_NAME, demo_lm(tokenizer.size)), tokenizer, folder)
    export_codec(load_mimi(place.decoder), folder)
