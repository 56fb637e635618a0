import assert from "node:assert/strict";
import { test } from "node:test";
import { Delay } from "../../clients/web/delay.js";
import { Lines, clock } from "../../clients/web/words.js";

const piece = (text, startsWord, timeMs) => ({ text, startsWord, timeMs: String(timeMs) });

test("pieces become words, and a pause of a second begins a new line", () => {
  const lines = new Lines();
  assert.equal(lines.add(piece("Hel", true, 480)), true);
  for (const [text, startsWord] of [["lo", false], ["there", true], [".", false]]) {
    assert.equal(lines.add(piece(text, startsWord, 560)), false);
  }
  assert.equal(lines.add(piece("My", true, 4000)), true);
  assert.deepEqual(lines.lines, [{ atMs: 480, text: "Hello there." }, { atMs: 4000, text: "My" }]);
});

test("what belongs to a word stays with it however late it comes", () => {
  const lines = new Lines();
  lines.add(piece("Wait", true, 0));
  lines.add(piece("...", false, 3000));
  assert.deepEqual(lines.lines, [{ atMs: 0, text: "Wait..." }]);
});

test("a time is told in minutes and seconds", () => {
  assert.deepEqual([480, 61_000, 3_600_000].map(clock), ["0:00", "1:01", "60:00"]);
});

test("the delay of a frame is from the beginning of the user's frame that it answers", () => {
  const delay = new Delay();
  assert.equal(delay.heard(1, 5), null);
  delay.spokenFrom(10);
  delay.spokenFrom(11);
  assert.equal(delay.heard(0, 10.1), null);
  assert.equal(Math.round(delay.heard(1, 10.19)), 190);
  assert.equal(Math.round(delay.heard(101, 10.19 + 100 * 0.08)), 190);
});

test("frames that were left out are counted on from the step that did not hear them", () => {
  const delay = new Delay();
  delay.spokenFrom(0);
  delay.missed(50, 2);
  delay.missed(60, 5);
  assert.equal(Math.round(delay.heard(49, 48 * 0.08 + 0.2)), 200);
  assert.equal(Math.round(delay.heard(50, (49 + 2) * 0.08 + 0.2)), 200);
  assert.equal(Math.round(delay.heard(60, (59 + 5) * 0.08 + 0.2)), 200);
});

test("sound that the network did not take makes what follows later, not slower", () => {
  const delay = new Delay();
  delay.spokenFrom(0);
  delay.skipped(400);
  assert.equal(Math.round(delay.heard(1, 0.6)), 200);
});
