/**
 * The audio thread: microphone in, Moshi's voice out, in the same moments of one clock.
 *
 * To it come {frame, samples}. From it come, every 20 ms, {atS, spoken, heard, begun, heldMs,
 * concealed, droppedMs}: what was recorded and what was played, Float32Array [960] each, since `atS` on the
 * context's clock, and the frames of Moshi's voice that began to sound: [{frame, atS}].
 */

import { Playout } from "./playout.js";

const PACKET_MS = 20;

class Duplex extends AudioWorkletProcessor {
  #playout = new Playout(sampleRate);
  #packetSamples = (sampleRate * PACKET_MS) / 1000;
  #packet = this.#emptyPacket();
  #filled = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => this.#playout.push(data.frame, data.samples);
  }

  process([input], [output]) {
    const heard = output[0];
    const spoken = input[0]; // absent while no microphone is connected
    for (const { frame, offset } of this.#playout.pull(heard)) {
      this.#packet.begun.push({ frame, atS: currentTime + offset / sampleRate });
    }
    for (let n = 0; n < heard.length; n++) {
      this.#packet.spoken[this.#filled] = spoken ? spoken[n] : 0;
      this.#packet.heard[this.#filled] = heard[n];
      if (++this.#filled === this.#packetSamples) this.#post(currentTime + (n + 1) / sampleRate);
    }
    return true;
  }

  #post(nowS) {
    const { heldMs, concealed, droppedSamples } = this.#playout;
    const droppedMs = (droppedSamples / sampleRate) * 1000;
    const packet = { ...this.#packet, atS: nowS - PACKET_MS / 1000, heldMs, concealed, droppedMs };
    this.port.postMessage(packet, [packet.spoken.buffer, packet.heard.buffer]);
    this.#packet = this.#emptyPacket();
    this.#filled = 0;
  }

  #emptyPacket() {
    const samples = () => new Float32Array(this.#packetSamples);
    return { spoken: samples(), heard: samples(), begun: [] };
  }
}

registerProcessor("duplex", Duplex);
