/** Microphone and loudspeaker on one clock. */

import { CannotTalk, noAnswer } from "./checks.js";

const RATE_HZ = 48_000;
const WORKLET = new URL("duplex.js", import.meta.url);
const RUNS_WITHIN_MS = 3000;
const FADED_AFTER_MS = 300; // what waits to be played is over by then

export class SoundCard {
  #context = new AudioContext({ sampleRate: RATE_HZ, latencyHint: "interactive" });
  #runs;
  #node;
  #stream;

  /** To be made in answer to a click: browsers let no page make a sound otherwise. */
  constructor() {
    this.#runs = this.#context.resume();
  }

  /** Begins to hear `stream` and to play; `onPacket` is given what the audio thread says every 20 ms. */
  async start(stream, onPacket) {
    this.#stream = stream;
    await this.#untilItRuns();
    try {
      await this.#context.audioWorklet.addModule(WORKLET);
    } catch {
      throw noAnswer(WORKLET.origin); // loaded anew for every talk
    }
    this.#node = new AudioWorkletNode(this.#context, "duplex", { outputChannelCount: [1] });
    this.#node.port.onmessage = ({ data }) => onPacket(data);
    this.#node.connect(this.#context.destination);
    try {
      this.#context.createMediaStreamSource(stream).connect(this.#node);
    } catch (error) {
      throw new CannotTalk(
        "microphone",
        `This browser cannot hear the microphone at 48 kHz (${error.message})`,
        "Set the microphone to 48 kHz in the system's sound settings, or use another browser.",
      );
    }
  }

  /** Some browsers have no clock without a loudspeaker, and wait for one without a word. */
  async #untilItRuns() {
    let timer;
    const tooLong = new Promise((_, reject) => {
      const error = new CannotTalk(
        "microphone",
        "This browser cannot play any sound here, and so cannot hear any.",
        "Connect a loudspeaker or headphones, or turn them on in the system's settings.",
      );
      timer = setTimeout(() => reject(error), RUNS_WITHIN_MS);
    });
    await Promise.race([this.#runs, tooLong]).finally(() => clearTimeout(timer));
  }

  /** The time now, in s of the clock. */
  get nowS() {
    return this.#context.currentTime;
  }

  /** How long after its moment on the clock a sample sounds, in s; in Firefox without the loudspeaker's own part. */
  get outputLatencyS() {
    // Firefox that is asked for it while sound plays now and then never answers, and the page stands still.
    const isFirefox = navigator.userAgent?.includes("Firefox");
    return (!isFirefox && this.#context.outputLatency) || this.#context.baseLatency;
  }

  /** Plays sound of the frame of this number, Float32Array at 48 kHz. */
  play(frame, samples) {
    this.#node?.port.postMessage({ frame, samples }, [samples.buffer]);
  }

  /** Hears nothing, or hears again. */
  mute(muted) {
    for (const track of this.#stream?.getTracks() ?? []) track.enabled = !muted;
  }

  /** Lets go of the microphone at once, and of the loudspeaker when it has played what it holds. */
  close() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    setTimeout(() => this.#context.state === "closed" || this.#context.close(), FADED_AFTER_MS);
  }
}
