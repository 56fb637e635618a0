/** The last half minute of the delay and of the playback buffer. */

const SHOWN_MS = 30_000;
const LEAST_TOP_MS = 300;
const GRID_MS = 100;

export class Graph {
  #canvas;
  #latestMs = 0; // where the right edge is, which stays when a talk is over
  #series; // name -> {color, points: [{atMs, value}]}

  /** Draws on `canvas` a line for each of `series`: {name: name of the CSS property with its colour}. */
  constructor(canvas, series) {
    this.#canvas = canvas;
    this.#series = Object.entries(series).map(([name, color]) => ({ name, color, points: [] }));
  }

  /** Adds a value in ms to a series, now. */
  add(name, value) {
    const atMs = (this.#latestMs = performance.now());
    const { points } = this.#series.find((each) => each.name === name);
    points.push({ atMs, value });
    while (points[0].atMs < atMs - SHOWN_MS) points.shift();
  }

  clear() {
    for (const each of this.#series) each.points = [];
    this.draw();
  }

  draw() {
    const scale = devicePixelRatio;
    const [width, height] = [this.#canvas.clientWidth, this.#canvas.clientHeight];
    if (this.#canvas.width !== width * scale) this.#canvas.width = width * scale;
    if (this.#canvas.height !== height * scale) this.#canvas.height = height * scale;
    const context = this.#canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    const style = getComputedStyle(this.#canvas);
    const values = this.#series.flatMap(({ points }) => points.map(({ value }) => value));
    const topMs = Math.ceil(Math.max(LEAST_TOP_MS, ...values) / GRID_MS) * GRID_MS;
    const y = (value) => height - 1 - (value / topMs) * (height - 14);
    this.#drawGrid(context, style, width, topMs, y);
    for (const { color, points } of this.#series) {
      context.strokeStyle = style.getPropertyValue(color);
      context.lineWidth = 1.5;
      context.lineJoin = "round";
      context.beginPath();
      for (const { atMs, value } of points) context.lineTo(width * (1 - (this.#latestMs - atMs) / SHOWN_MS), y(value));
      context.stroke();
    }
  }

  #drawGrid(context, style, width, topMs, y) {
    context.strokeStyle = style.getPropertyValue("--line");
    context.fillStyle = style.getPropertyValue("--quiet");
    context.font = `11px ${style.fontFamily}`;
    context.lineWidth = 1;
    const stepMs = GRID_MS * Math.ceil(topMs / 500);
    for (let value = 0; value <= topMs; value += stepMs) {
      const at = Math.round(y(value)) + 0.5;
      context.beginPath();
      context.moveTo(0, at);
      context.lineTo(width, at);
      context.stroke();
      if (value > 0) context.fillText(`${value} ms`, 0, at - 3);
    }
  }
}
