/** The page: one call at a time, and what is seen of it. */

import { Call } from "./call.js";
import { CannotTalk, CHECKS, checkPage } from "./checks.js";
import { isMeant, newsOf, sentenceOf, titleOf } from "./endings.js";
import { Graph } from "./graph.js";
import { Level } from "./level.js";
import { samplingOf, settingsOf } from "./settings.js";
import { clock, Lines } from "./words.js";

const $ = (id) => document.getElementById(id);

const levels = { spoken: new Level($("you")), heard: new Level($("moshi")) };
const graph = new Graph($("graph"), { delay: "--delay", buffer: "--buffer" });
let call = null;
let lines = new Lines();
let figures = null;
let times = null;

const screen = {
  checking(check) {
    mark(check, "running");
    if (check === "microphone") say("waiting", "Waiting for your microphone", "The browser may ask you to allow it.");
    else say("connecting", "Connecting", "");
  },
  passed: (check) => mark(check, "passed"),
  waiting: () => say("waiting", "Waiting for Moshi", "The service is finding a place for you."),
  ready({ modelName, seed }) {
    say("talking", "Talking", `${modelName}, seed ${seed}. Just speak: it listens while it talks.`);
  },
  text: showText,
  event(event) {
    if (newsOf(event)) $("news").textContent = newsOf(event);
  },
  packet(next) {
    figures = next;
    levels.spoken.add(next.spoken);
    levels.heard.add(next.heard);
  },
  delay(ms, heldMs) {
    times = { delay: ms, buffer: heldMs };
    for (const [name, value] of Object.entries(times)) graph.add(name, value);
  },
  failed(error) {
    call = null;
    const failure = error instanceof CannotTalk ? error : new CannotTalk("page", String(error), "Reload the page.");
    showFailure(failure);
  },
  ended({ reason, message, summary, recording }) {
    call = null;
    const details = [message, summary && sentenceOf(summary)].filter(Boolean).join(" ");
    say(isMeant(reason) ? "ended" : "broken", titleOf(reason), details);
    if (recording) offer(recording);
    Object.values(levels).forEach((level) => level.clear());
  },
};

const BUTTONS = { idle: "Talk", failed: "Try again" };

function say(state, title, details) {
  document.body.dataset.state = state;
  $("title").textContent = title;
  $("details").textContent = details;
  const isBusy = ["connecting", "waiting", "talking"].includes(state);
  $("talk").textContent = isBusy ? "End" : (BUTTONS[state] ?? "Talk again");
  $("mute").disabled = state !== "talking";
  $("seed").disabled = isBusy;
  $("temperatures").disabled = state === "connecting" || state === "waiting";
}

function mark(check, state) {
  $(`check-${check}`).dataset.state = state;
  $(`check-${check}`).querySelector("em").textContent = { running: "testing", passed: "fine", failed: "failed" }[state] ?? "";
}

function showFailure({ check, message, cure }) {
  say("failed", "This does not work yet", `${message} ${cure}`);
  mark(check, "failed");
}

function showText(text) {
  if (lines.add(text)) {
    const line = document.createElement("li");
    const time = document.createElement("time");
    time.textContent = clock(lines.lines.at(-1).atMs);
    line.append(time, document.createElement("span"));
    $("words").append(line);
  }
  $("words").lastElementChild.querySelector("span").textContent = lines.lines.at(-1).text;
  $("log").scrollTop = $("log").scrollHeight;
}

function offer(recording) {
  const link = $("download");
  URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(recording.wav());
  link.textContent = `Download the recording (${clock(recording.seconds * 1000)})`;
  link.hidden = false;
}

function begin() {
  const form = $("settings-form");
  if (!form.checkValidity()) {
    form.parentElement.open = true;
    form.reportValidity();
    return;
  }
  lines = new Lines();
  [figures, times] = [null, null];
  $("words").replaceChildren();
  $("news").textContent = "";
  $("download").hidden = true;
  muted(false);
  graph.clear();
  for (const { check } of CHECKS) mark(check, "");
  try {
    call = new Call(screen);
  } catch (error) {
    screen.failed(error);
    return;
  }
  const url = new URL("v1/converse", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  call.start(url.href, settingsOf(form));
}

function sample() {
  const form = $("settings-form");
  if (form.checkValidity()) call?.sample(samplingOf(form));
}

function muted(isMuted) {
  $("mute").setAttribute("aria-pressed", isMuted);
  $("mute").textContent = isMuted ? "Muted" : "Mute";
  call?.mute(isMuted);
}

function draw() {
  if (call && figures) {
    for (const name of ["delay", "buffer"]) {
      $(name).textContent = times ? `${Math.round(times[name])} ms` : "–";
    }
    $("left-out").textContent = `${Math.round(figures.leftOutMs)} ms`;
    $("dropped").textContent = `${Math.round(figures.droppedMs)} ms`;
    $("concealed").textContent = figures.concealed;
  }
  if (call) {
    Object.values(levels).forEach((level) => level.draw());
    graph.draw();
  }
  requestAnimationFrame(draw);
}

for (const { check, name } of CHECKS) {
  const item = document.createElement("li");
  item.id = `check-${check}`;
  item.append(name, document.createElement("em"));
  $("checks").append(item);
}
$("talk").addEventListener("click", () => (call ? call.hangUp() : begin()));
$("mute").addEventListener("click", () => muted($("mute").getAttribute("aria-pressed") === "false"));
$("temperatures").addEventListener("change", sample);
document.addEventListener("keydown", ({ key, target }) => {
  if (key === "m" && !$("mute").disabled && target.tagName !== "INPUT") $("mute").click();
  if (key === "Escape" && call) call.hangUp();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => graph.draw());
addEventListener("resize", () => graph.draw());
addEventListener("pagehide", () => call?.hangUp());
say("idle", "Talk with Moshi", "It listens while it speaks, as people do. Headphones make it best.");
try {
  checkPage();
} catch (failure) {
  showFailure(failure);
}
graph.draw();
draw();
