"""The reference LM with random weights, what it and ours do in a session, and how to compare."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from kaiwa_server.models.delays import NO_INPUT
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.sampling import SamplingRows
from moshi.models import LMGen, LMModel, loaders
from moshi.utils.compile import no_compile
from torch import Tensor, nn

NEAR_TIE = 1e-4
"""Two logits that differ by less are a tie in fp32: the one excuse for another token."""

LOGITS_TOLERANCE = 1e-4

SMALL: dict[str, Any] = {
    "dim": 128,
    "num_heads": 4,
    "num_layers": 4,
    "hidden_scale": 4.125,
    "context": 50,
    "max_period": 10000,
    "causal": True,
    "norm": "rms_norm_f32",
    "gating": "silu",
    "positional_embedding": "rope",
    "layer_scale": None,
    "text_card": 500,
    "existing_text_padding_id": 3,
    "card": 128,
    "n_q": 16,
    "dep_q": 8,
    "delays": [0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1],
    "depformer_dim": 64,
    "depformer_num_heads": 4,
    "depformer_num_layers": 2,
    "depformer_dim_feedforward": 256,
    "depformer_multi_linear": True,
    "depformer_weights_per_step": True,
    "depformer_pos_emb": "none",
    "depformer_gating": "silu",
    "depformer_layer_scale": None,
    "depformer_context": 8,
    "depformer_max_period": 10000,
}
"""A `config.json` of both feed-forward rules: the depformer's hidden size is 21/8 of its width."""


@dataclass
class Trace:
    """What a session did: the logits of every draw, the tokens as drawn, the frames in line.

    `logits[s]` are those of step s, one [V] for the text and one for each codebook; `written[s]`
    are its tokens in the same order; `frames[s]` is the frame it completed, None when none.
    """

    logits: list[list[Tensor]] = field(default_factory=list)
    written: list[list[int]] = field(default_factory=list)
    frames: list[list[int] | None] = field(default_factory=list)


@dataclass(frozen=True)
class Session:
    """A session of a batch: it holds `slot` from the batch's step `joins` on.

    `user_tokens` [T, K] are heard from its step 1 on; step 0 is given none.
    """

    slot: int
    joins: int
    user_tokens: Tensor

    @property
    def steps(self) -> int:
        """How many steps it stays for."""
        return 1 + len(self.user_tokens)


@dataclass
class Parity:
    """What a comparison of logits and tokens found."""

    steps: int = 0
    tokens: int = 0
    near_ties: int = 0
    distinct_text: int = 0
    text_error: float = 0.0
    audio_error: float = 0.0

    def __add__(self, other: "Parity") -> "Parity":
        return Parity(
            self.steps + other.steps,
            self.tokens + other.tokens,
            self.near_ties + other.near_ties,
            max(self.distinct_text, other.distinct_text),
            max(self.text_error, other.text_error),
            max(self.audio_error, other.audio_error),
        )

    def record(self, name: str, record_property: Callable[[str, object], None]) -> None:
        """Leaves the figures in the test's report, and on screen with `pytest -s`."""
        figures = (
            f"{self.steps} steps, {self.tokens} tokens equal, {self.near_ties} near ties, "
            f"logits within {self.text_error:.1e} (text) and {self.audio_error:.1e} (audio)"
        )
        record_property(name, figures)
        print(f"\n{name}: {figures}")


def reference_lm(config: dict[str, Any], seed: int) -> LMModel:
    """The reference with random weights, those of the norms too."""
    torch.manual_seed(seed)
    lm = loaders.get_moshi_lm(None, config, dtype=torch.float32).requires_grad_(False)
    for name, weight in lm.named_parameters():
        if name.endswith(".alpha"):
            weight.uniform_(0.7, 1.3)
    return lm


def random_user_tokens(config: dict[str, Any], frames: int, seed: int) -> Tensor:
    """A user who says anything, [T, K]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, config["card"], (frames, config["dep_q"]), generator=generator)


@contextmanager
def tapped(lm: LMModel | MoshiLm) -> Iterator[list[Tensor]]:
    """Gathers the logits [B, V] of every draw, in order."""
    logits: list[Tensor] = []

    def take(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        logits.append(output.detach()[:, 0].clone())

    heads = (lm.text_linear,) if isinstance(lm, MoshiLm) else (lm.text_linear, *lm.linears)
    with ExitStack() as taps:
        for head in heads:
            taps.callback(head.register_forward_hook(take).remove)
        if isinstance(lm, MoshiLm):  # whose heads may be a part of a kernel
            taps.enter_context(_tapped_codebooks(lm, logits))
        yield logits


@contextmanager
def _tapped_codebooks(lm: MoshiLm, logits: list[Tensor]) -> Iterator[None]:
    untapped = lm.codebook_logits

    def tapped(*args: Any) -> Tensor:
        found = untapped(*args)
        logits.append(found.clone())
        return found

    lm.codebook_logits = tapped  # type: ignore[method-assign]
    try:
        yield
    finally:
        del lm.codebook_logits


def trace_reference(lm: LMModel, user_tokens: Tensor) -> Trace:
    """A greedy session of the reference alone, as its `run_inference`: frame 0 is given twice."""
    trace = Trace()
    written: list[int] = []
    generator = LMGen(
        lm,
        use_sampling=False,
        check=True,
        on_text_hook=lambda text: written.append(int(text)),
        on_audio_hook=lambda audio: written.extend(audio[0].tolist()),
    )
    with no_compile(), tapped(lm) as logits, generator.streaming(1):
        for frame in (user_tokens[0], *user_tokens):
            aligned = generator.step(frame[None, :, None])
            trace.logits.append([head[0] for head in logits])
            trace.written.append(list(written))
            trace.frames.append(None if aligned is None else aligned[0, 1:, 0].tolist())
            logits.clear()
            written.clear()
    return trace


def trace_ours(lm: MoshiLm, sessions: Sequence[Session], slots: int) -> list[Trace]:
    """Greedy sessions in one batch; they join and leave as they say."""
    traces = [Trace() for _ in sessions]
    state = lm.new_state(slots)
    silence = torch.full((lm.config.codebooks,), NO_INPUT)
    with tapped(lm) as logits:
        for now in range(max(session.joins + session.steps for session in sessions)):
            batch = [(i, s) for i, s in enumerate(sessions) if 0 <= now - s.joins < s.steps]
            for _, session in batch:
                if session.joins == now:
                    state.reset(session.slot)
            heard = [
                s.user_tokens[now - s.joins - 1] if now > s.joins else silence for _, s in batch
            ]
            rows = torch.tensor([session.slot for _, session in batch])
            greedy, unused = SamplingRows.greedy(len(batch)), torch.zeros(len(batch), 9)
            text, audio = lm.step(state, rows, torch.stack(heard), greedy, unused)
            completed = state.completed_frame(rows).tolist()
            for row, (i, session) in enumerate(batch):
                traces[i].logits.append([head[row] for head in logits])
                traces[i].written.append([int(text[row]), *audio[row].tolist()])
                traces[i].frames.append(completed[row] if now > session.joins else None)
            logits.clear()
    return traces


def compare(ours: Trace, reference: Trace) -> Parity:
    """Compares two greedy sessions step by step, up to the first near tie that fell otherwise."""
    assert len(ours.written) == len(reference.written)
    found = Parity(distinct_text=len({tokens[0] for tokens in reference.written}))
    for step, logits in enumerate(ours.logits):
        for stream, (mine, theirs) in enumerate(zip(logits, reference.logits[step], strict=True)):
            error = float((mine - theirs).abs().max())
            if stream == 0:
                found.text_error = max(found.text_error, error)
            else:
                found.audio_error = max(found.audio_error, error)
            if ours.written[step][stream] != reference.written[step][stream]:
                first, second = theirs.topk(2).values.tolist()
                assert first - second < NEAR_TIE, f"step {step}, stream {stream}: another token"
                found.near_ties += 1
                return found
            found.tokens += 1
        assert ours.frames[step] == reference.frames[step], f"step {step}: another frame"
        found.steps += 1
    return found
