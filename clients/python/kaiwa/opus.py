"""Opus packets to samples and back: the one file that binds libopus.

The binding is `opuslib-next`, a thin ctypes layer over the system's libopus. Its numeric calls are
used directly, with numpy buffers: its wrappers build Python lists, and cannot ask for concealment.
"""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_PACKET_BYTES = 1_500
MAX_PACKET_MS = 120
SAMPLE_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
PACKET_MS = (2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0)

# The low-delay mode looks 2.5 ms ahead where the others look 6.5 ms: a conversation gains 4 ms in
# each direction. It does without the coder for speech at low rates and for lost packets; at 32
# kbit/s, over a transport that loses none, both sound alike (measured on speech at complexity 5:
# 21.7 dB against 21.6, equal spectra). Cost: 0.25 ms of a core for 80 ms.
DEFAULT_BITRATE_BPS = 32_000
COMPLEXITY = 5


class OpusError(ValueError):
    """Bytes that are not an Opus packet, or samples that cannot become one."""


class OpusPacketTooLarge(OpusError):
    """An Opus packet of more than 1,500 bytes or more than 120 ms."""


class OpusNotInstalled(ImportError):
    """libopus or its binding is missing on this machine."""


@functools.cache
def _binding() -> Any:
    # Imported on first use, so that those who only speak PCM need no libopus.
    try:
        import opuslib_next
    except ModuleNotFoundError as error:
        text = "opuslib-next is not installed: pip install opuslib-next"
        raise OpusNotInstalled(text) from error
    except Exception as error:  # the binding raises a bare Exception when it finds no library
        text = "libopus is not installed: apt-get install libopus0 (macOS: brew install opus)"
        raise OpusNotInstalled(text) from error
    return opuslib_next


def _check_rate(sample_rate_hz: int) -> None:
    if sample_rate_hz not in SAMPLE_RATES_HZ:
        rates = ", ".join(str(rate) for rate in SAMPLE_RATES_HZ)
        raise OpusError(f"Opus does not know {sample_rate_hz} Hz; it knows {rates}")


class OpusEncoder:
    """Turns sound, mono or of two channels, into Opus packets.

    Raises:
        OpusNotInstalled: libopus is missing; the text says what to install.
        OpusError: a sample rate that Opus does not know.
    """

    def __init__(
        self,
        sample_rate_hz: int = 24_000,
        bitrate_bps: int = DEFAULT_BITRATE_BPS,
        channels: int = 1,
    ) -> None:
        _check_rate(sample_rate_hz)
        opus = _binding()
        self._binding = opus
        self._encoder = opus.Encoder(sample_rate_hz, channels, opus.APPLICATION_RESTRICTED_LOWDELAY)
        self._shape = () if channels == 1 else (channels,)
        self._encoder.bitrate = bitrate_bps
        self._encoder.complexity = COMPLEXITY
        self._legal_samples = {int(sample_rate_hz * ms / 1000) for ms in PACKET_MS}
        self.lookahead_samples = int(self._encoder.lookahead)
        """By how many samples the decoded sound is later than what went in."""

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        """Gives the packet of `samples` (float32 [n], of two channels [n, 2]; 2.5 to 120 ms).

        Raises:
            OpusError: the samples are not of a length that a packet can have.
        """
        if samples.shape[1:] != self._shape or len(samples) not in self._legal_samples:
            channels = "two channels" if self._shape else "mono sound"
            raise OpusError(
                f"a packet cannot hold samples of shape {samples.shape}: "
                f"it takes 2.5, 5, 10, 20, 40, 60, 80, 100 or 120 ms of {channels}"
            )
        api = self._binding.api
        pcm = np.ascontiguousarray(samples, dtype=np.float32)
        packet = api.ctypes.create_string_buffer(MAX_PACKET_BYTES)
        length = api.encoder.libopus_encode_float(
            self._encoder.encoder_state,
            pcm.ctypes.data_as(api.c_float_pointer),
            len(pcm),
            packet,
            MAX_PACKET_BYTES,
        )
        if length < 0:
            raise OpusError(f"libopus could not encode: {self._binding.OpusError(length)}")
        encoded: bytes = packet.raw[:length]
        return encoded


class OpusDecoder:
    """Turns Opus packets, of whatever rate and channels, into mono sound at its own rate.

    Raises:
        OpusNotInstalled: libopus is missing; the text says what to install.
        OpusError: a sample rate that Opus does not know.
    """

    def __init__(self, sample_rate_hz: int = 24_000) -> None:
        _check_rate(sample_rate_hz)
        self._binding = _binding()
        self._decoder = self._binding.Decoder(sample_rate_hz, 1)
        self._rate_hz = sample_rate_hz
        self._max_samples = sample_rate_hz * MAX_PACKET_MS // 1000

    def decode(self, packet: bytes) -> NDArray[np.float32]:
        """Gives the samples of one packet: float32 [n] in [-1, 1].

        Raises:
            OpusPacketTooLarge: over 1,500 bytes or over 120 ms.
            OpusError: not an Opus packet. The decoder goes on with the next one.
        """
        self._check_size(packet)
        return self._decode(packet, len(packet), self._max_samples)

    def conceal(self, samples: int) -> NDArray[np.float32]:
        """Gives a guess at a lost packet of this many samples: float32 [samples].

        Raises:
            OpusError: not a positive multiple of 2.5 ms up to 120 ms.
        """
        if not 0 < samples <= self._max_samples or samples * 400 % self._rate_hz:
            raise OpusError(
                f"cannot conceal {samples} samples: give a multiple of 2.5 ms, to 120 ms"
            )
        return self._decode(None, 0, samples)

    def _check_size(self, packet: bytes) -> None:
        if not packet:
            raise OpusError("an Opus packet has at least one byte, this one has none")
        if len(packet) > MAX_PACKET_BYTES:
            raise OpusPacketTooLarge(
                f"an Opus packet has at most {MAX_PACKET_BYTES} bytes, this one has {len(packet)}"
            )
        decoder = self._binding.api.decoder
        frame = decoder.libopus_packet_get_samples_per_frame(packet, self._rate_hz)
        frames = decoder.libopus_packet_get_nb_frames(packet, len(packet))
        if frames > 0 and frame * frames > self._max_samples:
            length_ms = frame * frames * 1000 / self._rate_hz
            raise OpusPacketTooLarge(
                f"an Opus packet lasts at most {MAX_PACKET_MS} ms; these bytes say {length_ms:g} ms"
            )

    def _decode(self, packet: bytes | None, length: int, max_samples: int) -> NDArray[np.float32]:
        api = self._binding.api
        pcm = np.empty(max_samples, dtype=np.float32)
        samples = api.decoder.libopus_decode_float(
            self._decoder.decoder_state,
            packet,
            length,
            pcm.ctypes.data_as(api.c_float_pointer),
            max_samples,
            0,
        )
        if samples < 0:
            text = f"not an Opus packet ({length} bytes): {self._binding.OpusError(samples)}"
            raise OpusError(text)
        # What was quantized near full scale comes back a little over it.
        return np.clip(pcm[:samples], -1.0, 1.0)
