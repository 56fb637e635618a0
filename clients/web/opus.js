/** Sound as raw Opus packets, by the browser's own WebCodecs. */

import { Doubler } from "./rates.js";

const RATE_HZ = 48_000;
const BITRATE = 32_000;
const FRAME_US = 80_000;
const STREAM = { codec: "opus", sampleRate: RATE_HZ, numberOfChannels: 1 };
// Packets of 20 ms: what is spoken leaves soon, and a packet that is lost is short.
const ENCODING = { ...STREAM, bitrate: BITRATE, opus: { frameDuration: 20_000 } };

export class OpusCoding {
  name = "Opus";
  format = { encoding: "AUDIO_ENCODING_OPUS" };
  #encoder;
  #decoder;
  #encoded = 0; // samples
  #decoded = 0; // frames
  #doubler = new Doubler();

  /**
   * Gives packets to `onPacket(bytes)`, sound of frame n to `onSound(n, Float32Array at 48 kHz)`,
   * and what the browser's codec fails with to `onError(error)`.
   */
  constructor(onPacket, onSound, onError) {
    this.#encoder = new AudioEncoder({
      output: (chunk) => {
        const packet = new Uint8Array(chunk.byteLength);
        chunk.copyTo(packet);
        onPacket(packet);
      },
      error: onError,
    });
    this.#encoder.configure(ENCODING);
    this.#decoder = new AudioDecoder({
      output: (sound) => {
        onSound(Math.floor(sound.timestamp / FRAME_US), this.#samplesOf(sound));
        sound.close();
      },
      error: onError,
    });
    this.#decoder.configure(STREAM);
  }

  static async isSupported() {
    if (!("AudioEncoder" in globalThis && "AudioDecoder" in globalThis)) return false;
    try {
      const encoder = await AudioEncoder.isConfigSupported(ENCODING);
      const decoder = await AudioDecoder.isConfigSupported(STREAM);
      return encoder.supported && decoder.supported;
    } catch {
      return false; // a browser that does not know one of the options
    }
  }

  /** Encodes Float32Array [960] at 48 kHz. */
  encode(samples) {
    const sound = new AudioData({
      format: "f32-planar",
      sampleRate: RATE_HZ,
      numberOfFrames: samples.length,
      numberOfChannels: 1,
      timestamp: (this.#encoded / RATE_HZ) * 1e6,
      data: samples,
    });
    this.#encoded += samples.length;
    this.#encoder.encode(sound);
    sound.close();
  }

  /** Decodes the next frame, an ArrayBuffer. */
  decode(data) {
    this.#decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: this.#decoded++ * FRAME_US, data }));
  }

  close() {
    for (const codec of [this.#encoder, this.#decoder]) if (codec.state !== "closed") codec.close();
  }

  #samplesOf(sound) {
    const samples = new Float32Array(sound.numberOfFrames);
    sound.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
    // Some browsers decode Opus at the rate that it was encoded at.
    return sound.sampleRate === RATE_HZ ? samples : this.#doubler.convert(samples);
  }
}
