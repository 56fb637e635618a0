import assert from "node:assert/strict";
import { test } from "node:test";
import { PcmCoding } from "../../clients/web/pcm.js";
import { Doubler, Halver } from "../../clients/web/rates.js";
import { RATE_HZ, Recording } from "../../clients/web/recording.js";

const tone = (length, hz, rateHz) => Float32Array.from({ length }, (_, n) => Math.sin((2 * Math.PI * hz * n) / rateHz));
const rms = (samples) => Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);

function inPieces(converter, samples, length) {
  const pieces = [];
  for (let n = 0; n < samples.length; n += length) pieces.push(...converter.convert(samples.slice(n, n + length)));
  return Float32Array.from(pieces);
}

for (const Converter of [Halver, Doubler]) {
  test(`${Converter.name}: pieces give what the whole gives`, () => {
    const sound = tone(9600, 440, 48_000);
    assert.deepEqual(inPieces(new Converter(), sound, 960), new Converter().convert(sound));
  });
}

test("speech keeps its level at half the rate, and what would fold over is gone", () => {
  assert.ok(Math.abs(rms(new Halver().convert(tone(9600, 3000, 48_000)).slice(100)) - Math.SQRT1_2) < 0.01);
  assert.ok(rms(new Halver().convert(tone(9600, 15_000, 48_000)).slice(100)) < 0.01);
});

test("speech keeps its level at twice the rate, without a mirror image", () => {
  const double = new Doubler().convert(tone(4800, 3000, 24_000)).slice(200);
  const tail = tone(double.length, 3000, 48_000);
  const [sine, cosine] = [tail, tail.map((_, n) => Math.cos((2 * Math.PI * 3000 * n) / 48_000))];
  const along = (other) => (2 / double.length) * double.reduce((sum, sample, n) => sum + sample * other[n], 0);
  assert.ok(Math.abs(Math.hypot(along(sine), along(cosine)) - 1) < 0.01);
  assert.ok(Math.abs(rms(double) - Math.SQRT1_2) < 0.01);
});

test("PCM goes to half the rate and comes back, frame by frame", () => {
  const [packets, sounds] = [[], []];
  const coding = new PcmCoding((packet) => packets.push(packet), (frame, sound) => sounds.push([frame, sound]));
  coding.encode(tone(960, 440, 48_000));
  coding.encode(Float32Array.from({ length: 960 }, () => 3));
  assert.ok(packets.every((packet) => packet instanceof Int16Array && packet.length === 480));
  assert.equal(packets[1].at(-1), 32_767);
  for (let n = 0; n < 2; n++) coding.decode(new Int16Array(1920).fill(16_384).buffer);
  assert.deepEqual(sounds.map(([frame, sound]) => [frame, sound.length]), [[0, 3840], [1, 3840]]);
  assert.ok(Math.abs(sounds[1][1].at(-1) - 0.5) < 0.01);
});

test("a recording is a stereo WAV, left the user, right Moshi", async () => {
  const recording = new Recording();
  for (let n = 0; n < 50; n++) recording.add(new Float32Array(960).fill(0.5), new Float32Array(960).fill(-0.25));
  assert.equal(recording.seconds, 1);
  const file = new DataView(await recording.wav().arrayBuffer());
  const words = (at) => String.fromCharCode(...new Uint8Array(file.buffer, at, 4));
  assert.deepEqual([words(0), words(8), words(12), words(36)], ["RIFF", "WAVE", "fmt ", "data"]);
  assert.deepEqual([file.getUint16(22, true), file.getUint32(24, true), file.getUint16(34, true)], [2, RATE_HZ, 16]);
  assert.equal(file.byteLength, 44 + file.getUint32(40, true));
  assert.equal(file.getUint32(40, true), 4 * RATE_HZ);
  assert.ok(Math.abs(file.getInt16(file.byteLength - 4, true) - 16_384) < 300);
  assert.ok(Math.abs(file.getInt16(file.byteLength - 2, true) + 8_192) < 300);
});

test("a recording keeps the newest sound", () => {
  const recording = new Recording(1);
  for (let n = 0; n < 60; n++) recording.add(new Float32Array(960), new Float32Array(960));
  assert.equal(recording.seconds, 1);
});
