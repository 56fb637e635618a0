/** How long Moshi takes to answer, measured where the user sits. */

const FRAME_S = 0.08;

/**
 * Mouth to ear, as docs/latency.md defines it, with the playback buffer in it.
 *
 * Moshi's frame t + 1 is the first that can depend on the user's frame t; frames of the user that the
 * service left out are counted on, and those that it filled in are not, so that each is still paired
 * with what answers to it.
 */
export class Delay {
  #startS = null;
  #missed = []; // {step, frames}, in the order of time

  /** Says when the first sample that was sent was at the microphone, in s of one clock. */
  spokenFrom(atS) {
    this.#startS ??= atS;
  }

  /** Says how many more user frames the service had left out than filled in, in all, before this step. */
  missed(step, frames) {
    this.#missed.push({ step, frames });
  }

  /** Says that so much of what was recorded was not sent: what is sent from now on is later by it. */
  skipped(ms) {
    this.#startS += ms / 1000;
  }

  /** Gives the mouth to ear, in ms, of what Moshi's frame answers, if that frame sounds at `atS`. */
  heard(frame, atS) {
    const { frames } = this.#missed.findLast(({ step }) => step <= frame) ?? { frames: 0 };
    const userFrame = frame - 1 + frames;
    if (this.#startS === null || userFrame < 0) return null;
    return (atS - this.#startS - userFrame * FRAME_S) * 1000;
  }
}
