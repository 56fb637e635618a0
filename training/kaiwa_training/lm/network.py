"""The LM as it is trained: the served network, gone through for all steps at once.

Its parameters are the served network's own, so that its state dict is the checkpoint.
"""

from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F
from kaiwa_server.models.depformer import DepformerLayer
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.lm_config import LmConfig
from kaiwa_server.models.rope import rope_turns
from kaiwa_server.models.transformer import SelfAttention, SiluGating, TransformerLayer
from torch import Tensor, nn

from kaiwa_training.lm.streams import read_tokens


class TrainableLm(MoshiLm):
    """Moshi with gradients, told what it wrote in each step (teacher forcing).

    Of the user's codebooks it hears `heard`; the embeddings of the others are zero and stay so.
    """

    def __init__(self, config: LmConfig, heard: tuple[int, ...] = (0, 1)) -> None:
        super().__init__(config)
        initialise(self)
        users = (config.codebooks + book for book in heard)
        self._audio_streams = (*range(config.codebooks), *users)
        for stream, emb in enumerate(self.emb):
            if stream not in self._audio_streams:
                nn.init.zeros_(emb.get_parameter("weight"))
                emb.requires_grad_(False)

    def hidden(self, tokens: Tensor) -> Tensor:
        """What the temporal transformer makes of each step of aligned frames, normed.

        Tokens [B, K, T] -> [B, T, D]; NO_INPUT where nothing is heard.
        """
        x = self._embed_steps(read_tokens(tokens, self.config))
        _, steps, _ = x.shape
        temporal = self.config.temporal
        positions = torch.arange(steps, device=x.device)
        turns = rope_turns(positions[None], temporal.head_dim, temporal.max_period)
        turns = turns[0, :, None, None]  # [T, 1, 1, Dh / 2]
        ago = positions[:, None] - positions  # [T, T]
        visible = (ago >= 0) & (ago < temporal.context)
        for layer in cast("list[TransformerLayer]", self.transformer.layers):
            x = x + attend(layer.self_attn, layer.norm1(x), turns, visible)
            x = x + layer.gating(layer.norm2(x))
        hidden: Tensor = self.out_norm(x)
        return hidden

    def audio_logits(self, hidden: Tensor, text: Tensor, audio: Tensor) -> Tensor:
        """The logits [N, codebooks, V] of N steps that wrote text [N] and audio [N, codebooks].

        Each codebook is told the text or the token before its own. A token below 0 was not
        written and counts as the initial token. Hidden is [N, D].
        """
        before = torch.where(audio < 0, self.config.codebook_size, audio)[:, :-1]
        told = [self.depformer_text_emb(text)]
        told += [emb(token) for emb, token in zip(self.depformer_emb, before.T, strict=True)]
        x = hidden @ stacked(self.depformer_in).mT + torch.stack(told)  # [C, N, D]
        for layer in cast("list[DepformerLayer]", self.depformer.layers):
            x = x + attend_codebooks(layer, layer.norm1(x))
            gatings = cast("list[SiluGating]", layer.gating)
            into = stacked(gating.linear_in for gating in gatings)
            gate, value = (layer.norm2(x) @ into.mT).chunk(2, dim=-1)  # [C, N, hidden] each
            out = stacked(gating.linear_out for gating in gatings)
            x = x + (F.silu(gate) * value) @ out.mT
        logits = x @ stacked(self.linears).mT  # [C, N, V]
        return logits.transpose(0, 1)

    def _embed_steps(self, tokens: Tensor) -> Tensor:
        """The sum of the streams' embeddings, [B, K, T] -> [B, T, D], as one table's rows."""
        embs = [self.text_emb, *(self.emb[stream] for stream in self._audio_streams)]
        tables = [emb.get_parameter("weight") for emb in embs]
        nothing = tables[0].new_zeros(1, tables[0].shape[1])
        ends = torch.tensor([len(table) for table in tables], device=tokens.device).cumsum(0)
        starts = F.pad(ends[:-1], (1, 0))
        streams = [0, *(1 + stream for stream in self._audio_streams)]
        read = tokens[:, streams].transpose(1, 2)  # [B, T, K of those that count]
        rows = torch.where(read < 0, ends[-1], read + starts)
        x = F.embedding_bag(rows.flatten(0, 1), torch.cat((*tables, nothing)), mode="sum")
        return x.view(*read.shape[:2], -1)


def attend(attention: SelfAttention, x: Tensor, turns: Tensor, visible: Tensor) -> Tensor:
    """Attention of each position of x [B, T, D] to those that are visible [T, T] to it.

    The pairs of queries and keys are turned as complex numbers, which is the served rotation at a
    quarter of its time.
    """
    joined = attention.in_projs[0](x).unflatten(-1, (3, attention.config.heads, -1))
    pairs = torch.view_as_complex(joined[:, :, :2].float().unflatten(-1, (-1, 2)))
    turned = torch.view_as_real(pairs * turns).flatten(-2)  # [B, T, 2, H, Dh]
    query, key = turned.to(joined.dtype).permute(2, 0, 3, 1, 4)  # [B, H, T, Dh] each
    value = joined[:, :, 2].transpose(1, 2)
    seen = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
    out: Tensor = attention.out_projs[0](seen.transpose(1, 2).flatten(2))
    return out


def attend_codebooks(layer: DepformerLayer, x: Tensor) -> Tensor:
    """Attention of each codebook to itself and those before it, x [C, N, D] -> [C, N, D]."""
    attention = layer.self_attn
    joined = x @ stacked(attention.in_projs).mT
    split = joined.view(*x.shape[:2], 3, attention.heads, -1)  # [C, N, 3, H, Dh]
    query, key, value = split.permute(2, 1, 3, 0, 4)  # [N, H, C, Dh] each
    seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    return seen.permute(2, 0, 1, 3).flatten(2) @ stacked(attention.out_projs).mT


def stacked(linears: Iterable[nn.Module]) -> Tensor:
    """The weights of linears of one shape, [C, out, in]."""
    return torch.stack([linear.get_parameter("weight") for linear in linears])


def initialise(lm: MoshiLm) -> None:
    """Draws the weights so that every linear keeps the variance and the layers share theirs."""
    for name, weight in lm.named_parameters():
        if name.endswith("alpha"):
            continue
        layers = lm.config.depformer.layers if "depformer" in name else lm.config.temporal.layers
        adds = "out_proj" in name or "linear_out" in name
        gain = (2 * layers) ** -0.5 if adds else 1.0
        nn.init.normal_(weight, std=gain * weight.shape[-1] ** -0.5)
