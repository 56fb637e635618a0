"""Mimi, Kyutai's streaming codec: 80 ms of sound as one token in each of 8 codebooks, and back.

Paper: Défossez et al., "Moshi: a speech-text foundation model for real-time dialogue" (2024).
Parameter names are those of Kyutai's newer checkpoints.
"""

import torch
from torch import Tensor, nn

from kaiwa_server.models.conv import CausalConv1d, CausalConvTranspose1d, ConvState
from kaiwa_server.models.mimi_config import MimiConfig
from kaiwa_server.models.packing import Layout, pack
from kaiwa_server.models.quantizer import SplitQuantizer
from kaiwa_server.models.ring_cache import TransformerState
from kaiwa_server.models.seanet import SeanetDecoder, SeanetEncoder
from kaiwa_server.models.transformer import Transformer, TransformerConfig


class MimiState:
    """What one half of Mimi, encoder or decoder, remembers for its slots."""

    def __init__(self, convolutions: ConvState, attention: TransformerState) -> None:
        self.convolutions = convolutions
        self.attention = attention

    def reset(self, slot: int) -> None:
        """Makes the slot's state that of a new session."""
        self.convolutions.reset(slot)
        self.attention.reset(slot)

    def rest(self, slots: slice) -> None:
        """Sets the clock of slots that are nobody's back."""
        self.attention.position[slots] = 0

    @property
    def memory_bytes(self) -> int:
        """What all slots take of memory."""
        return self.convolutions.memory_bytes + self.attention.memory_bytes

    def fill(self) -> None:
        """Makes every slot's state that of a session as long as the context.

        The convolutions stay as they are: they see no more later on than in the second frame.
        """
        self.attention.fill()


class Downsample(nn.Module):
    """The convolution from the encoder's rate to the rate of frames."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = CausalConv1d(
            channels, channels, 2 * stride, stride=stride, bias=False, padding="replicate"
        )

    def forward(self, x: Tensor, state: ConvState, rows: Tensor) -> Tensor:
        """x [B, stride * T, C] -> [B, T, C]."""
        out: Tensor = self.conv(x, state, rows)
        return out


class Upsample(nn.Module):
    """The convolution back from the rate of frames; each channel by itself."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.convtr = CausalConvTranspose1d(
            channels, channels, stride=stride, channelwise=True, bias=False
        )

    def forward(self, x: Tensor, state: ConvState, rows: Tensor) -> Tensor:
        """x [B, T, C] -> [B, stride * T, C]."""
        out: Tensor = self.convtr(x, state, rows)
        return out


class FrameTransformer(nn.Module):
    """A transformer that takes up latents frame by frame."""

    def __init__(self, config: TransformerConfig, latents_per_frame: int) -> None:
        super().__init__()
        self.latents_per_frame = latents_per_frame
        self.transformer = Transformer(config)

    def forward(self, x: Tensor, state: TransformerState, rows: Tensor) -> Tensor:
        """x [B, latents_per_frame * T, C] -> the same shape."""
        # Frame by frame: what a position sees depends on how many are added with it.
        frames = torch.split(x, self.latents_per_frame, dim=1)
        seen = [self.transformer(frame, state, rows) for frame in frames]
        return torch.cat(seen, dim=1)


class Mimi(nn.Module):
    """Both halves of the codec; each call takes one or more whole frames of the slots `rows`."""

    def __init__(self, config: MimiConfig) -> None:
        super().__init__()
        self.config = config
        self.num_codebooks = config.num_codebooks
        self.codebook_size = config.quantizer.bins
        channels, per_frame = config.seanet.dimension, config.latents_per_frame
        self.encoder = SeanetEncoder(config.seanet)
        self.encoder_transformer = FrameTransformer(config.transformer, per_frame)
        self.downsample = Downsample(channels, per_frame)
        self.quantizer = SplitQuantizer(config.quantizer)
        self.upsample = Upsample(channels, per_frame)
        self.decoder_transformer = FrameTransformer(config.transformer, per_frame)
        self.decoder = SeanetDecoder(config.seanet)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def pack(self, layout: Layout) -> None:
        """Goes over to packed products; the quantizer stays in fp32."""
        halves: list[nn.Module] = [self.encoder, self.encoder_transformer, self.downsample]
        halves += [self.upsample, self.decoder_transformer, self.decoder]
        for part in halves:
            pack(part, layout)
        self.quantizer.use_kernels(self.num_codebooks)

    def new_encoder_state(self, slots: int) -> MimiState:
        """What encoding remembers for `slots` new sessions."""
        attention = self.encoder_transformer.transformer.new_state(slots)
        return MimiState(ConvState(slots, self.encoder, self.downsample), attention)

    def new_decoder_state(self, slots: int) -> MimiState:
        """What decoding remembers for `slots` new sessions."""
        attention = self.decoder_transformer.transformer.new_state(slots)
        return MimiState(ConvState(slots, self.decoder, self.upsample), attention)

    def encode(self, state: MimiState, rows: Tensor, pcm: Tensor) -> Tensor:
        """pcm [B, 1, 1920 * T] of the slots `rows` [B] -> codes [B, K, T], semantic first."""
        return self.quantizer.encode(self.encode_latent(state, rows, pcm), self.num_codebooks)

    def encode_latent(self, state: MimiState, rows: Tensor, pcm: Tensor) -> Tensor:
        """pcm [B, 1, 1920 * T] of the slots `rows` [B] -> what is quantized, [B, C, T]."""
        samples = pcm.transpose(1, 2)  # [B, 1920 * T, 1]
        x = self.encoder(samples, state.convolutions, rows)  # [B, latents_per_frame * T, C]
        x = self.encoder_transformer(x, state.attention, rows)
        latent: Tensor = self.downsample(x, state.convolutions, rows)
        return latent.transpose(1, 2)

    def decode(self, state: MimiState, rows: Tensor, codes: Tensor) -> Tensor:
        """codes [B, K, T] of the slots `rows` [B], semantic first -> pcm [B, 1, 1920 * T]."""
        latent = self.quantizer.decode(codes).transpose(1, 2)  # [B, T, C]
        x = self.upsample(latent, state.convolutions, rows)  # [B, latents_per_frame * T, C]
        x = self.decoder_transformer(x, state.attention, rows)
        samples: Tensor = self.decoder(x, state.convolutions, rows)  # [B, 1920 * T, 1]
        return samples.transpose(1, 2)
