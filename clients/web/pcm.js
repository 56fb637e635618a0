/** Sound as 16-bit samples at 24 kHz, for browsers without WebCodecs: ten times the bytes of Opus. */

import { Doubler, Halver } from "./rates.js";

/** Gives samples in [-1, 1] as 16-bit integers. */
export function toIntegers(samples) {
  return Int16Array.from(samples, (sample) => Math.round(Math.max(-1, Math.min(1, sample)) * 32_767));
}

export class PcmCoding {
  name = "PCM";
  format = { encoding: "AUDIO_ENCODING_PCM_S16LE" };
  #halver = new Halver();
  #doubler = new Doubler();
  #frames = 0;
  #onPacket;
  #onSound;

  /** Gives packets to `onPacket(bytes)`, sound of frame n to `onSound(n, Float32Array at 48 kHz)`. */
  constructor(onPacket, onSound) {
    this.#onPacket = onPacket;
    this.#onSound = onSound;
  }

  static async isSupported() {
    return true;
  }

  /** Encodes Float32Array [n] at 48 kHz, n even. */
  encode(samples) {
    this.#onPacket(toIntegers(this.#halver.convert(samples)));
  }

  /** Decodes the next frame, an ArrayBuffer. */
  decode(data) {
    const samples = Float32Array.from(new Int16Array(data), (sample) => sample / 32_768);
    this.#onSound(this.#frames++, this.#doubler.convert(samples));
  }

  close() {}
}
