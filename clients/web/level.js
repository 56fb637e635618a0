/** How loud a voice is, as a bar. */

const QUIETEST_DB = -60;
const FALL_DB = 1; // in 20 ms, so that the bar can be followed by eye

export class Level {
  #element;
  #bar;
  #db = QUIETEST_DB;

  /** Shows the level in `element`, a meter with a bar in it. */
  constructor(element) {
    this.#element = element;
    this.#bar = element.firstElementChild;
    element.setAttribute("aria-valuemin", QUIETEST_DB);
    element.setAttribute("aria-valuemax", 0);
    this.clear();
  }

  /** Takes the next 20 ms, Float32Array. */
  add(samples) {
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    const db = power > 0 ? 10 * Math.log10(power) : QUIETEST_DB;
    this.#db = Math.min(0, Math.max(QUIETEST_DB, db, this.#db - FALL_DB));
  }

  clear() {
    this.#db = QUIETEST_DB;
    this.draw();
  }

  draw() {
    this.#bar.style.setProperty("--level", (1 - this.#db / QUIETEST_DB).toFixed(3));
    this.#element.setAttribute("aria-valuenow", Math.round(this.#db));
  }
}
