import assert from "node:assert/strict";
import { test } from "node:test";
import { FIRST_CUSHION_MS, GREATEST_CUSHION_MS, Playout } from "../../clients/web/playout.js";

const RATE_HZ = 48_000;
const FRAME = 3840; // 80 ms
const QUANTUM = 128; // what an audio thread asks for at a time
const STEEPEST = 2 * Math.PI * (400 / RATE_HZ); // of the tone below, between two samples

/** Frame n of a tone of 400 Hz that has no beginning and no end. */
function tone(frame) {
  return Float32Array.from({ length: FRAME }, (_, n) => Math.sin((2 * Math.PI * 400 * (frame * FRAME + n)) / RATE_HZ));
}

/** Plays frames that arrive at these times (ms), until `untilMs`; gives what sounds. */
function play(playout, arrivalsMs, untilMs) {
  const heard = [];
  const begun = [];
  let next = 0;
  for (let at = 0; at < (untilMs * RATE_HZ) / 1000; at += QUANTUM) {
    while (next < arrivalsMs.length && (arrivalsMs[next] * RATE_HZ) / 1000 <= at) playout.push(next, tone(next++));
    const out = new Float32Array(QUANTUM);
    for (const { frame, offset } of playout.pull(out)) begun.push({ frame, ms: ((at + offset) / RATE_HZ) * 1000 });
    heard.push(...out);
  }
  return { heard, begun };
}

/** Arrivals of frames in time, but for these, which are late by so many ms. */
function arrivals(frames, late = {}) {
  let last = 0;
  return Array.from({ length: frames }, (_, n) => (last = Math.max(last, 80 * n + (late[n] ?? 0))));
}

function steepest(heard) {
  return heard.reduce((most, sample, n) => Math.max(most, n ? Math.abs(sample - heard[n - 1]) : Math.abs(sample)), 0);
}

const loudest = (heard) => heard.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);

test("it is silent until the first frame and its cushion are there", () => {
  const { heard, begun } = play(new Playout(RATE_HZ), [100], 170);
  assert.equal(loudest(heard.slice(0, 105 * 48)), 0);
  assert.ok(loudest(heard.slice(115 * 48)) > 0.9);
  assert.equal(begun.length, 1);
  assert.ok(Math.abs(begun[0].ms - 100 - FIRST_CUSHION_MS) < 6);
});

test("frames that come in time are played as they are, one after the other", () => {
  const playout = new Playout(RATE_HZ);
  const { heard, begun } = play(playout, arrivals(20), 1500);
  const from = Math.round(begun[0].ms * 48);
  for (let n = 240; n < 18 * FRAME; n++) assert.ok(Math.abs(heard[from + n] - tone(0)[n % FRAME]) < 1e-4);
  assert.deepEqual(begun.slice(0, 3).map(({ frame }) => frame), [0, 1, 2]);
  assert.ok(Math.abs(begun[5].ms - begun[0].ms - 400) < 0.1);
  assert.equal(playout.concealed, 0);
  assert.equal(playout.droppedSamples, 0);
});

test("unevenness below the cushion is not heard", () => {
  const playout = new Playout(RATE_HZ);
  play(playout, arrivals(20, { 3: 7, 9: 6, 15: 7 }), 1500);
  assert.equal(playout.concealed, 0);
});

test("running dry is concealed without a click, and the cushion grows by 5 ms", () => {
  const playout = new Playout(RATE_HZ);
  const { heard } = play(playout, arrivals(20, { 8: 50 }), 1500);
  assert.equal(playout.concealed, 1);
  assert.equal(playout.cushionMs, FIRST_CUSHION_MS + 5);
  assert.ok(steepest(heard) < 2 * STEEPEST, `a step of ${steepest(heard)}`);
});

test("what came late once may come late again", () => {
  const playout = new Playout(RATE_HZ);
  play(playout, arrivals(30, { 8: 50, 15: 50, 22: 50 }), 2300);
  assert.equal(playout.concealed, 1);
});

test("the cushion grows to 80 ms and no further", () => {
  const playout = new Playout(RATE_HZ);
  for (let frame = 0; frame < 30; frame++) {
    playout.push(frame, tone(frame));
    for (let n = 0; n < 300; n++) playout.pull(new Float32Array(QUANTUM));
  }
  assert.equal(playout.concealed, 30);
  assert.equal(playout.cushionMs, GREATEST_CUSHION_MS);
});

test("a burst after a stall loses its oldest sound, so that no delay stays", () => {
  const playout = new Playout(RATE_HZ);
  const stall = { 10: 400, 11: 320, 12: 240, 13: 160, 14: 80 };
  const { heard, begun } = play(playout, arrivals(30, stall), 2300);
  assert.ok(playout.droppedSamples > 3 * FRAME);
  assert.ok(steepest(heard) < 2 * STEEPEST, `a step of ${steepest(heard)}`);
  const last = begun.at(-1);
  assert.ok(last.ms - 80 * last.frame < 80, `${last.ms - 80 * last.frame} ms late`);
});

test("sound is left out in the middle of playing without a click", () => {
  const playout = new Playout(RATE_HZ);
  const { heard } = play(playout, [0, 80, 160, 161, 162, 163, 240], 300);
  assert.ok(playout.droppedSamples > 0);
  assert.equal(playout.concealed, 0);
  assert.ok(steepest(heard) < 2 * STEEPEST, `a step of ${steepest(heard)}`);
});

test("it never holds more than two frames and the cushion", () => {
  const playout = new Playout(RATE_HZ);
  for (let frame = 0; frame < 100; frame++) {
    playout.push(frame, tone(frame));
    assert.ok(playout.heldMs <= 160 + playout.cushionMs);
  }
});

test("pieces smaller than a frame are played as the frame would be", () => {
  const [whole, pieces] = [new Playout(RATE_HZ), new Playout(RATE_HZ)];
  whole.push(0, tone(0));
  for (let n = 0; n < FRAME; n += 960) pieces.push(0, tone(0).slice(n, n + 960));
  for (let n = 0; n < 40; n++) {
    const [a, b] = [new Float32Array(QUANTUM), new Float32Array(QUANTUM)];
    whole.pull(a);
    pieces.pull(b);
    assert.deepEqual(a, b);
  }
});

test("the end of the last frame fades out", () => {
  const { heard } = play(new Playout(RATE_HZ), [0], 200);
  assert.ok(steepest(heard) < 2 * STEEPEST);
  assert.equal(loudest(heard.slice(-1000)), 0);
});
