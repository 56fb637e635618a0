/**
 * 48 kHz, at which browsers work, to 24 kHz, at which Moshi does, and back. Both keep what a piece of
 * sound leaves over for the next one, so that pieces give what the whole would.
 */

const TAPS = 63;

/** A low pass at 12 kHz of 48: a windowed sinc whose taps add up to 1. */
const LOW_PASS = (() => {
  const middle = (TAPS - 1) / 2;
  const taps = Float32Array.from({ length: TAPS }, (_, n) => {
    const t = (n - middle) / 2;
    const sinc = t === 0 ? 1 : Math.sin(Math.PI * t) / (Math.PI * t);
    return (sinc / 2) * (0.54 - 0.46 * Math.cos((2 * Math.PI * n) / (TAPS - 1)));
  });
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return taps.map((tap) => tap / sum);
})();

/** Halves the rate. */
export class Halver {
  #before = new Float32Array(TAPS - 1);

  /** Gives Float32Array [n / 2] for Float32Array [n], n even. */
  convert(samples) {
    const sound = joined(this.#before, samples);
    const half = new Float32Array(samples.length / 2);
    for (let n = 0; n < half.length; n++) {
      let sum = 0;
      for (let tap = 0; tap < TAPS; tap++) sum += LOW_PASS[tap] * sound[2 * n + tap];
      half[n] = sum;
    }
    this.#before = sound.slice(samples.length);
    return half;
  }
}

/** Doubles the rate. */
export class Doubler {
  #before = new Float32Array((TAPS - 1) / 2);

  /** Gives Float32Array [2 n] for Float32Array [n]. */
  convert(samples) {
    const sound = joined(this.#before, samples);
    const double = new Float32Array(samples.length * 2);
    for (let n = 0; n < double.length; n++) {
      let sum = 0;
      // Between the samples there are zeros: only every other tap meets something.
      for (let tap = n % 2; tap < TAPS; tap += 2) sum += LOW_PASS[tap] * sound[(n + tap) / 2];
      double[n] = 2 * sum;
    }
    this.#before = sound.slice(samples.length);
    return double;
  }
}

function joined(first, second) {
  const both = new Float32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
