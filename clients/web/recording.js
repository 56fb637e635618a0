/** What was said and what was heard, on one clock: a stereo WAV, left the user, right Moshi. */

import { toIntegers } from "./pcm.js";
import { Halver } from "./rates.js";

export const RATE_HZ = 24_000;
const GREATEST_S = 20 * 60; // 115 MB

export class Recording {
  #greatestS;
  #pieces = []; // Int16Array, left and right in turn
  #samples = 0;
  #left = new Halver();
  #right = new Halver();

  /** Keeps the newest `greatestS` seconds. */
  constructor(greatestS = GREATEST_S) {
    this.#greatestS = greatestS;
  }

  /** How long it is, in s. */
  get seconds() {
    return this.#samples / RATE_HZ;
  }

  /** Takes what was recorded and played in the same moments, Float32Array [n] each, 48 kHz. */
  add(spoken, heard) {
    const left = toIntegers(this.#left.convert(spoken));
    const right = toIntegers(this.#right.convert(heard));
    const piece = new Int16Array(2 * left.length);
    for (let n = 0; n < left.length; n++) {
      piece[2 * n] = left[n];
      piece[2 * n + 1] = right[n];
    }
    this.#pieces.push(piece);
    this.#samples += left.length;
    while (this.seconds > this.#greatestS) this.#samples -= this.#pieces.shift().length / 2;
  }

  /** Gives the file. */
  wav() {
    const bytes = this.#samples * 4;
    const header = new DataView(new ArrayBuffer(44));
    const text = (at, letters) => [...letters].forEach((c, n) => header.setUint8(at + n, c.charCodeAt(0)));
    text(0, "RIFF");
    header.setUint32(4, 36 + bytes, true);
    text(8, "WAVEfmt ");
    header.setUint32(16, 16, true); // bytes of what follows up to `data`
    header.setUint16(20, 1, true); // integers
    header.setUint16(22, 2, true); // channels
    header.setUint32(24, RATE_HZ, true);
    header.setUint32(28, RATE_HZ * 4, true); // bytes a second
    header.setUint16(32, 4, true); // bytes of a sample in all channels
    header.setUint16(34, 16, true); // bits
    text(36, "data");
    header.setUint32(40, bytes, true);
    return new Blob([header, ...this.#pieces], { type: "audio/wav" });
  }
}
