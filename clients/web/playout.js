/**
 * The buffer between frames that arrive unevenly and a loudspeaker that never waits.
 *
 * It starts a cushion after the first frame is there. When it runs dry, the end of the sound is
 * mirrored and faded out, and the cushion grows, so that the same delay does not run it dry again.
 * When it holds a frame more than it wants, for instance after a stall of the network, the oldest
 * sound is left out. Nothing begins or ends at full level, so nothing clicks.
 *
 * It knows no clock and no audio device: time is the number of samples that were pulled.
 */

export const FIRST_CUSHION_MS = 10;
export const CUSHION_STEP_MS = 5;
export const GREATEST_CUSHION_MS = 80;
const FRAME_MS = 80;
const FADE_MS = 5;

export class Playout {
  /** How long it waits after the first frame before it plays, in ms. */
  cushionMs = FIRST_CUSHION_MS;
  /** How often it ran dry. */
  concealed = 0;
  /** How much sound was left out, in samples. */
  droppedSamples = 0;

  #samplesPerMs;
  #fade; // gains from 1 to 0
  #queue = []; // {frame, samples}, the oldest first
  #offset = 0; // samples of the oldest that were played
  #held = 0;
  #playing = false;
  #waited = 0; // samples since the first frame came, while it does not play
  #rising = 0; // samples of the fade-in that were played
  #recent; // the last samples that were played, as long as a fade
  #tail; // what sounds on after a cut, to be mixed in
  #tailAt;

  constructor(sampleRateHz) {
    this.#samplesPerMs = sampleRateHz / 1000;
    const length = Math.round(FADE_MS * this.#samplesPerMs);
    this.#fade = Float32Array.from({ length }, (_, n) => Math.cos((Math.PI * (n + 1)) / (2 * length)) ** 2);
    this.#recent = new Float32Array(length);
    this.#tail = new Float32Array(length);
    this.#tailAt = length;
  }

  /** How much sound waits to be played, in ms. */
  get heldMs() {
    return this.#held / this.#samplesPerMs;
  }

  /** Takes the next sound, Float32Array of any length, which belongs to the frame of this number. */
  push(frame, samples) {
    this.#queue.push({ frame, samples });
    this.#held += samples.length;
    const wantedMs = FRAME_MS + this.cushionMs;
    if (this.heldMs > wantedMs + FRAME_MS) this.#leaveOut(this.#held - wantedMs * this.#samplesPerMs);
  }

  /**
   * Fills `out` with the next sound, or silence, and gives the frames that began in it:
   * [{frame, offset}], offset in samples from the beginning of `out`.
   */
  pull(out) {
    out.fill(0);
    const begun = [];
    this.#start(out.length);
    const length = this.#playing ? Math.min(this.#held, out.length) : 0;
    for (let n = 0; n < length; n++) {
      if (this.#offset === 0) begun.push({ frame: this.#queue[0].frame, offset: n });
      out[n] = this.#queue[0].samples[this.#offset] * this.#gain(this.#rising++);
      this.#advance(1);
    }
    this.#mix(out, 0, length);
    this.#remember(out.subarray(0, length));
    if (this.#playing && length < out.length) this.#runDry();
    this.#mix(out, length, out.length);
    return begun;
  }

  #start(samples) {
    if (this.#playing || this.#held === 0) return;
    if (this.#waited < this.cushionMs * this.#samplesPerMs) {
      this.#waited += samples;
      return;
    }
    this.#playing = true;
    this.#rising = 0;
  }

  #runDry() {
    this.#playing = false;
    this.#waited = 0;
    this.concealed += 1;
    this.cushionMs = Math.min(this.cushionMs + CUSHION_STEP_MS, GREATEST_CUSHION_MS);
    this.#tail = this.#fade.map((gain, n) => gain * this.#recent[this.#recent.length - 1 - n]);
    this.#tailAt = 0;
  }

  #leaveOut(samples) {
    if (this.#playing) this.#crossOver();
    this.droppedSamples += samples;
    this.#advance(samples);
  }

  /** Lets what would come next sound on while what comes instead fades in. */
  #crossOver() {
    const tail = new Float32Array(this.#fade.length);
    let [place, offset] = [0, this.#offset];
    for (let n = 0; n < tail.length; n++) {
      tail[n] = this.#queue[place].samples[offset] * this.#gain(this.#rising + n) * this.#fade[n];
      tail[n] += this.#tail[this.#tailAt + n] ?? 0;
      if (++offset === this.#queue[place].samples.length) [place, offset] = [place + 1, 0];
    }
    this.#tail = tail;
    this.#tailAt = 0;
    this.#rising = 0;
  }

  #advance(samples) {
    this.#held -= samples;
    this.#offset += samples;
    while (this.#queue.length && this.#offset >= this.#queue[0].samples.length) {
      this.#offset -= this.#queue.shift().samples.length;
    }
  }

  #gain(rising) {
    return rising < this.#fade.length ? 1 - this.#fade[rising] : 1;
  }

  #mix(out, from, to) {
    for (let n = from; n < to && this.#tailAt < this.#tail.length; n++) out[n] += this.#tail[this.#tailAt++];
  }

  #remember(played) {
    const kept = played.subarray(-this.#recent.length);
    this.#recent.copyWithin(0, kept.length);
    this.#recent.set(kept, this.#recent.length - kept.length);
  }
}
