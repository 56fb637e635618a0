/**
 * One conversation over `/v1/converse`: JSON as text, sound as binary.
 *
 * `listener` has `ready`, `text`, `event` and `summary`, which take the contract's message of that name;
 * `audio`, which takes a frame's bytes; and `ended`, which takes {reason, message} and is called once, last.
 */

const SILENCE_MS = 5000; // frames come every 80 ms
const MAX_UNSENT_BYTES = 16_384;

const LOST = "LOST";

export class Conversation {
  #socket;
  #listener;
  #end = { reason: LOST, message: "It broke off without a word from the service." };
  #over = false;
  #timer;

  constructor(socket, listener) {
    this.#socket = socket;
    this.#listener = listener;
    socket.onmessage = ({ data }) => this.#hear(data);
    socket.onclose = () => this.#finish();
    this.#expect();
  }

  /** Opens the conversation with a `ConverseConfig`. */
  open(config) {
    this.#socket.send(JSON.stringify({ config }));
  }

  /** Sends a packet and gives whether it went: what the network does not take is left out. */
  send(packet) {
    if (this.#socket.bufferedAmount > MAX_UNSENT_BYTES) return false;
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(packet);
    return true;
  }

  /** Changes the sampling by `SessionSettings` without a seed. */
  sample(settings) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ settings }));
  }

  /** Says that nothing more will be said; what is owed, the summary and the end still come. */
  halfClose() {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(new Uint8Array());
  }

  /** Ends it at once. */
  close() {
    this.#socket.close();
    this.#finish();
  }

  #hear(data) {
    if (this.#over) return;
    this.#expect();
    if (data instanceof ArrayBuffer) {
      this.#listener.audio(data);
      return;
    }
    const message = JSON.parse(data);
    if (message.error) this.#end = message.error;
    if (message.summary) this.#end = { reason: "NORMAL", message: "" };
    for (const kind of ["ready", "text", "event", "summary"]) {
      if (message[kind]) this.#listener[kind](message[kind]);
    }
  }

  #expect() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#end = { reason: LOST, message: `Nothing came for ${SILENCE_MS / 1000} seconds.` };
      this.close();
    }, SILENCE_MS);
  }

  #finish() {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#listener.ended(this.#end);
  }
}
