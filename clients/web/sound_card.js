/** Microphone and loudspeaker on one clock. */

import { CannotTalk, noAnswer } from "./checks.js";

const RATE_HZ = 48_000;
const WORKLET = new URL("duplex.js", import.meta.url);
const FADED_AFTER_MS = 300; // what waits to be played is over by then

export class SoundCard {
  #context = new AudioContext({ sampleRate: RATE_HZ, latencyHint: "interactive" });
  #node;
  #stream;

  /** To be made in answer to a click: browsers let no page make a sound otherwise. */
  constructor() {
    this.#context.resume();
  }

  /** Begins to hear `stream` and to play; `onPacket` is given what the audio thread says every 20 ms. */
  async start(stream, onPacket) {
    this.#stream = stream;
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

  /** The time now, in s of the clock. */
  get nowS() {
    return this.#context.currentTime;
  }

  /** How long after its moment on the clock a sample sounds, in s. */
  get outputLatencyS() {
    return this.#context.outputLatency || this.#context.baseLatency;
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
