"""Puts the kernels for a GPU into a model."""

from torch import nn

from kaiwa_server.models.cuda.layers import CodebookParts, CudaCodebooks, CudaLayers
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.transformer import Transformer


def use_cuda_kernels(model: nn.Module, *, eight_bits: bool = False) -> None:
    """Lets the model's transformers go over to the kernels; keys and values in 8 bits if asked."""
    for part in model.modules():
        if isinstance(part, Transformer):
            part.use(
                CudaLayers(
                    part.parts(),
                    heads=part.config.heads,
                    is_gated=part.config.gating == "silu",
                    eight_bits=eight_bits,
                )
            )
        elif isinstance(part, MoshiLm):
            part.use(CudaCodebooks(_codebooks(part), part.config.depformer.heads))


def _codebooks(lm: MoshiLm) -> list[CodebookParts]:
    embeddings = [lm.depformer_text_emb, *lm.depformer_emb]
    parts = zip(lm.depformer_in, embeddings, lm.linears, strict=True)
    return [
        CodebookParts(into, embedding, lm.depformer.parts(codebook), head)
        for codebook, (into, embedding, head) in enumerate(parts)
    ]
