/** Moshi's pieces of text as lines: a pause of a second between two words begins a new one. */

const PAUSE_MS = 1000;

export class Lines {
  /** [{atMs, text}] in order; `atMs` is when a line's first word was thought, on the session's clock. */
  lines = [];
  #lastMs = 0;

  /** Takes a `Text` of the contract and gives whether it began a new line. */
  add({ text, startsWord, timeMs }) {
    const atMs = Number(timeMs);
    const isNew = this.lines.length === 0 || (startsWord && atMs - this.#lastMs > PAUSE_MS);
    this.#lastMs = atMs;
    if (isNew) this.lines.push({ atMs, text });
    else this.lines.at(-1).text += (startsWord ? " " : "") + text;
    return isNew;
  }
}

/** Gives a time in minutes and seconds, as on a clock. */
export function clock(ms) {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
