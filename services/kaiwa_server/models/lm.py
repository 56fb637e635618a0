"""Moshi: reads both voices and its own thoughts, writes its voice and its next thought.

One step is 80 ms: the temporal transformer takes in all the streams, the text token is drawn, then
the depformer draws Moshi's audio tokens, one codebook after the other. Parameter names are those of
Kyutai's newer checkpoints.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kaiwa_server.models.delays import DelayLine
from kaiwa_server.models.depformer import Depformer, DepformerCache
from kaiwa_server.models.kernel_layers import KernelCodebooks
from kaiwa_server.models.lm_config import LmConfig
from kaiwa_server.models.packing import Layout, pack_children
from kaiwa_server.models.ring_cache import TransformerState
from kaiwa_server.models.sampling import SamplingRows, sample
from kaiwa_server.models.transformer import RmsNormF32, Transformer


class LmState:
    """What Moshi remembers for its slots: keys and values, tokens that are due, and the clock."""

    def __init__(self, transformer: TransformerState, delay_line: DelayLine) -> None:
        self.transformer = transformer
        self.delay_line = delay_line

    @property
    def step(self) -> Tensor:
        """The number of each slot's next step, [S]: the one clock, which the transformer keeps."""
        return self.transformer.position

    def reset(self, slot: int) -> None:
        """Makes the slot's state that of a new session."""
        self.transformer.reset(slot)
        self.delay_line.reset(slot)

    def rest(self, slots: slice) -> None:
        """Sets the clock of slots that are nobody's back."""
        self.transformer.position[slots] = 0

    @property
    def memory_bytes(self) -> int:
        """What all slots take of memory."""
        return self.transformer.memory_bytes + self.delay_line.memory_bytes

    def fill(self) -> None:
        """Makes every slot's state that of a session as long as the context that heard nothing."""
        self.transformer.fill()

    def completed_frame(self, rows: Tensor) -> Tensor:
        """The frame of Moshi's voice that the rows' newest step completed, [B, codebooks].

        With the released delays step s completes frame s - 1. A row whose step completed none, as
        step 0, is all UNGENERATED.
        """
        return self.delay_line.aligned(rows, self.step[rows] - 1)[:, 1:]


class Codebooks(Protocol):
    """What the depformer does for each codebook, by something faster than torch alone."""

    def logits(self, codebook: int, hidden: Tensor, token: Tensor, rings: Tensor) -> Tensor:
        """What the next token is drawn from, [B, V]; the rings take up keys and values.

        Args:
            codebook: which; those before it are in the rings.
            hidden: what the temporal transformer made of the step, [B, 1, D].
            token: the text, or the audio token before, [B].
            rings: [layers, 2, B, H, codebooks, Dh].
        """


class MoshiLm(nn.Module):
    """The language model; what it remembers is an `LmState`, passed in."""

    def __init__(self, config: LmConfig) -> None:
        super().__init__()
        dim, depformer_dim = config.temporal.dim, config.depformer.dim
        text_tokens, audio_tokens = config.text_vocabulary_size + 1, config.codebook_size + 1
        codebooks = range(config.codebooks)
        self.config = config
        self.emb = nn.ModuleList(nn.Embedding(audio_tokens, dim) for _ in config.delays[1:])
        self.text_emb = nn.Embedding(text_tokens, dim)
        self.transformer = Transformer(config.temporal)
        self.out_norm = RmsNormF32(dim)
        self.text_linear = nn.Linear(dim, config.text_vocabulary_size, bias=False)
        self.depformer_in = nn.ModuleList(
            nn.Linear(dim, depformer_dim, bias=False) for _ in codebooks
        )
        self.depformer_text_emb = nn.Embedding(text_tokens, depformer_dim)
        self.depformer_emb = nn.ModuleList(
            nn.Embedding(audio_tokens, depformer_dim) for _ in codebooks[1:]
        )
        self.depformer = Depformer(config.depformer, config.codebooks)
        self.linears = nn.ModuleList(
            nn.Linear(depformer_dim, config.codebook_size, bias=False) for _ in codebooks
        )
        self._kernels: Codebooks | None = None
        self._embeddings: _Joined | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.text_emb.weight.device

    def pack(self, layout: Layout) -> None:
        """Goes over to packed products, and for the depformer to the kernels if it can."""
        pack_children(self, layout)
        self._embeddings = _Joined([self.text_emb, *self.emb])
        embeddings = [self.depformer_text_emb, *self.depformer_emb]
        layers = self.depformer.kernel_layers()
        parts = zip(layers, self.depformer_in, embeddings, self.linears, strict=True)
        self._kernels = KernelCodebooks.of(
            [(stack, into, embedding.weight, head) for stack, into, embedding, head in parts]
        )

    def use(self, codebooks: Codebooks) -> None:
        """Goes over to these for the depformer."""
        self._kernels = codebooks

    def new_state(self, slots: int) -> LmState:
        """The state of `slots` new sessions, where the weights are and in their precision."""
        config = self.config
        # The initial token of a stream is the one after its last.
        audio = [config.codebook_size] * (2 * config.codebooks)
        delay_line = DelayLine(
            slots,
            delays=config.delays,
            initial_tokens=[config.text_vocabulary_size, *audio],
            written=1 + config.codebooks,
            device=self.device,
        )
        return LmState(self.transformer.new_state(slots), delay_line)

    @torch.inference_mode()
    def step(
        self,
        state: LmState,
        rows: Tensor,
        user_tokens: Tensor,
        sampling: SamplingRows,
        uniforms: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """One step of the slots `rows` [B], which are distinct.

        Args:
            state: moved on by one step in these rows, left alone in all others.
            rows: slot numbers, int64.
            user_tokens: what the user says in this step, [B, codebooks]; NO_INPUT where nothing.
            sampling: how each of the rows draws.
            uniforms: in [0, 1), for the text token and each codebook, [B, 1 + codebooks].

        Returns:
            The text token [B] and the audio tokens [B, codebooks] that the step wrote, not yet
            aligned: see `LmState.completed_frame`.
        """
        step = state.step[rows]
        state.delay_line.hear(rows, step, user_tokens)
        x = self._embed(state.delay_line.read(rows, step))  # [B, 1, D]
        hidden = self.out_norm(self.transformer(x, state.transformer, rows))  # [B, 1, D]
        text = sample(
            self.text_linear(hidden)[:, 0],
            sampling.text_temperature,
            sampling.text_top_k,
            uniforms[:, 0],
        )
        audio = self._speak(hidden, text, sampling, uniforms[:, 1:])
        state.delay_line.write(rows, step, torch.cat((text[:, None], audio), dim=1))
        return text, audio

    def _embed(self, tokens: Tensor) -> Tensor:
        """The sum of the streams' embeddings, [B, K] -> [B, 1, D]."""
        heard, tokens = (tokens >= 0)[:, :, None], tokens.clamp(min=0)
        if self._embeddings is not None:
            streams = self._embeddings(tokens)
        else:
            embedded = zip((self.text_emb, *self.emb), tokens.unbind(dim=1), strict=True)
            streams = torch.stack([emb(stream) for emb, stream in embedded], dim=1)  # [B, K, D]
        return (streams * heard).sum(dim=1, keepdim=True)

    def _speak(
        self, hidden: Tensor, text: Tensor, sampling: SamplingRows, uniforms: Tensor
    ) -> Tensor:
        """Draws the audio tokens [B, codebooks]; each knows the text and those before it."""
        cache = self.depformer.new_cache(hidden)
        tokens = [text]
        for codebook in range(self.config.codebooks):
            token = sample(
                self.codebook_logits(codebook, hidden, tokens[-1], cache),
                sampling.audio_temperature,
                sampling.audio_top_k,
                uniforms[:, codebook],
            )
            tokens.append(token)
        return torch.stack(tokens[1:], dim=1)

    def codebook_logits(
        self, codebook: int, hidden: Tensor, token: Tensor, cache: DepformerCache
    ) -> Tensor:
        """What a codebook's token is drawn from, [B, codebook_size], after `token` [B]."""
        if self._kernels is not None:
            return self._kernels.logits(codebook, hidden, token, cache.rings)
        embedding = self.depformer_emb[codebook - 1] if codebook else self.depformer_text_emb
        x = self.depformer_in[codebook](hidden) + embedding(token)[:, None]
        logits: Tensor = self.linears[codebook](self.depformer(x, codebook, cache))[:, 0]
        return logits


class _Joined:
    """Embeddings as one table, so that all streams are looked up at once; their weights are in it
    from then on."""

    def __init__(self, embeddings: Sequence[nn.Module]) -> None:
        weights = [embedding.get_parameter("weight") for embedding in embeddings]
        sizes = [len(weight) for weight in weights]
        self._table = torch.cat([weight.detach() for weight in weights])
        self._starts = torch.tensor([0, *accumulate(sizes[:-1])])
        for weight, part in zip(weights, torch.split(self._table, sizes), strict=True):
            weight.data = part

    def __call__(self, tokens: Tensor) -> Tensor:
        """Tokens [B, K], of a stream for each embedding -> [B, K, D]."""
        return F.embedding(tokens + self._starts, self._table)
