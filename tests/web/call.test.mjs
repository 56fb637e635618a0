import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeSocket, loudspeaker, microphone, settled } from "./fake_browser.mjs";
import { Call } from "../../clients/web/call.js";

const URL = "ws://kaiwa/v1/converse";
const SETTINGS = { seed: "7" };

/** Remembers what a call tells: [name, ...what]. */
function newScreen() {
  const told = [];
  return { told, ...Object.fromEntries(NAMES.map((name) => [name, (...what) => told.push([name, ...what])])) };
}
const NAMES = ["checking", "passed", "waiting", "ready", "text", "event", "packet", "delay", "failed", "ended"];

const named = (screen, name) => screen.told.filter(([each]) => each === name).map(([, ...what]) => what[0]);

/** A call as far as its open socket. */
async function connected() {
  const screen = newScreen();
  const call = new Call(screen);
  call.start(URL, SETTINGS);
  await settled();
  microphone.grant();
  await settled();
  FakeSocket.last.open();
  await settled();
  return { screen, call, socket: FakeSocket.last };
}

/** A call that may be spoken into. */
async function talking() {
  const talk = await connected();
  talk.socket.hear({ ready: { modelName: "parrot", seed: "7" } });
  return talk;
}

test("the config goes first, and sound only once the service is ready", async () => {
  const { screen, call, socket } = await connected();
  assert.equal(socket.url, URL);
  const pcm = { encoding: "AUDIO_ENCODING_PCM_S16LE" };
  const config = { inputFormat: pcm, outputFormat: pcm, settings: SETTINGS };
  assert.deepEqual(socket.sent.map(JSON.parse), [{ config }]);
  microphone.record(0);
  assert.equal(socket.sent.length, 1);
  socket.hear({ ready: { modelName: "parrot", seed: "7" } });
  microphone.record(0.02);
  assert.equal(socket.sent[1].length, 480);
  assert.deepEqual(named(screen, "passed"), ["page", "codec", "microphone", "service"]);
  call.hangUp();
  socket.close();
});

test("settings are changed in mid-call, and only while the user speaks", async () => {
  const { screen, call, socket } = await connected();
  call.sample({ textTemperature: 1 });
  assert.equal(socket.sent.length, 1);
  socket.hear({ ready: { modelName: "parrot", seed: "7" } });
  call.sample({ textTemperature: 0.5 });
  assert.deepEqual(JSON.parse(socket.sent[1]), { settings: { textTemperature: 0.5 } });
  const event = { step: "9", samplingChanged: { sampling: { textTemperature: 0.5, audioTemperature: 0.8 } } };
  socket.hear({ event });
  assert.deepEqual(named(screen, "event"), [event]);
  call.hangUp();
  call.sample({ textTemperature: 2 });
  assert.equal(socket.sent.at(-1).length, 0);
  socket.close();
});

test("who hangs up gets the summary, and a recording of what was said until then", async () => {
  const { screen, call, socket } = await talking();
  for (let n = 0; n < 50; n++) microphone.record(n * 0.02);
  call.hangUp();
  assert.equal(socket.sent.at(-1).length, 0);
  microphone.record(1);
  socket.hear({ summary: { framesIn: "12" } });
  socket.close();
  const [end] = named(screen, "ended");
  assert.deepEqual([end.reason, end.summary, end.recording.seconds], ["NORMAL", { framesIn: "12" }, 1]);
  assert.equal(microphone.track.isOn, false);
});

test("who hangs up while the microphone is asked for is not heard afterwards", async () => {
  const screen = newScreen();
  const call = new Call(screen);
  call.start(URL, SETTINGS);
  await settled();
  call.hangUp();
  microphone.grant();
  await settled();
  assert.equal(microphone.track.isOn, false);
  assert.deepEqual(named(screen, "ended").map(({ reason }) => reason), ["HUNG_UP"]);
  assert.deepEqual(named(screen, "failed"), []);
});

test("who hangs up while the socket opens leaves none open", async () => {
  const screen = newScreen();
  const call = new Call(screen);
  call.start(URL, SETTINGS);
  await settled();
  microphone.grant();
  await settled();
  call.hangUp();
  FakeSocket.last.open();
  await settled();
  assert.equal(FakeSocket.last.readyState, 3);
  assert.equal(microphone.track.isOn, false);
});

test("a refusal of the service ends the call in its words", async () => {
  const { screen, socket } = await connected();
  socket.hear({ error: { status: "RESOURCE_EXHAUSTED", reason: "FULL", message: "all taken" } });
  socket.close();
  const [end] = named(screen, "ended");
  assert.deepEqual(end, { reason: "FULL", message: "all taken", summary: null, recording: null });
  assert.equal(microphone.track.isOn, false);
});

test("a microphone that is refused is named, with its cure", async () => {
  const screen = newScreen();
  new Call(screen).start(URL, SETTINGS);
  await settled();
  microphone.refuse("NotAllowedError");
  await settled();
  const [failure] = named(screen, "failed");
  assert.equal(failure.check, "microphone");
  assert.match(failure.cure, /Allow it/);
});

test("a loudspeaker that is not there is named, with its cure, and the microphone let go", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  loudspeaker.isThere = false;
  const screen = newScreen();
  new Call(screen).start(URL, SETTINGS);
  await settled();
  microphone.grant();
  await settled();
  assert.deepEqual(named(screen, "failed"), []);
  t.mock.timers.tick(3000);
  await settled();
  loudspeaker.isThere = true;
  const [failure] = named(screen, "failed");
  assert.equal(failure.check, "microphone");
  assert.match(failure.cure, /loudspeaker/);
  assert.equal(microphone.track.isOn, false);
});

test("sound that the network does not take is left out and told", async () => {
  const { screen, call, socket } = await talking();
  microphone.record(0);
  socket.bufferedAmount = 100_000;
  for (let n = 1; n <= 5; n++) microphone.record(n * 0.02);
  assert.equal(socket.sent.length, 2);
  assert.equal(named(screen, "packet").at(-1).leftOutMs, 100);
  call.hangUp();
  socket.close();
});

test("sound that a busy browser looks at too late is left out and told", async () => {
  const { screen, call, socket } = await talking();
  microphone.record(0, [], 0.4);
  for (let n = 1; n <= 5; n++) microphone.record(n * 0.02, [], 0.6);
  microphone.record(0.12);
  assert.equal(socket.sent.length, 3);
  assert.equal(named(screen, "packet").at(-1).leftOutMs, 100);
  call.hangUp();
  socket.close();
});

test("a frame that begins to sound is measured from what it answers", async () => {
  const { screen, call, socket } = await talking();
  microphone.record(5);
  microphone.record(5.18, [{ frame: 1, atS: 5.19 }]);
  assert.deepEqual(named(screen, "delay").map(Math.round), [190]);
  socket.hear({ event: { step: "2", framesDropped: { frames: 1, totalFrames: "1" } } });
  microphone.record(5.34, [{ frame: 2, atS: 5.36 }]);
  assert.deepEqual(named(screen, "delay").map(Math.round), [190, 200]);
  assert.equal(named(screen, "packet").at(-1).leftOutMs, 80);
  call.hangUp();
  socket.close();
});
