/** A whole call: tests what it needs, holds the conversation, measures and records it. */

import { CannotTalk, checkPage, chooseCoding, openMicrophone, openSocket } from "./checks.js";
import { Conversation } from "./conversation.js";
import { Delay } from "./delay.js";
import { Recording } from "./recording.js";
import { SoundCard } from "./sound_card.js";

const FRAME_MS = 80;
const PACKET_MS = 20;
const SUMMARY_WITHIN_MS = 3000;
const MAX_LATE_S = 0.5; // of sound that a busy browser has recorded and not looked at

/**
 * `screen` is told what happens: `checking(check)` and `passed(check)`, `waiting()`, the contract's `ready`,
 * `text` and `event`, `packet(figures)` every 20 ms, `delay(ms, heldMs)` of each frame that begins to sound, with
 * how much is held behind it, and once, last, `failed(CannotTalk)` or `ended({reason, message, summary,
 * recording})`.
 */
export class Call {
  #screen;
  #card = new SoundCard();
  #delay = new Delay();
  #recording = new Recording();
  #coding = null;
  #conversation = null;
  #summary = null;
  #isOpen = false;
  #isOver = false;
  #leftOutFrames = 0; // by the service
  #filledInFrames = 0; // by the service, where nothing had come
  #skippedMs = 0; // here

  /** To be made in answer to a click. */
  constructor(screen) {
    this.#screen = screen;
  }

  /** Talks with the service at `url` until `hangUp`, or until it ends; `settings` are `SessionSettings`. */
  async start(url, settings) {
    try {
      await this.#check("page", checkPage);
      const Coding = await this.#check("codec", chooseCoding);
      await this.#check("microphone", async () => {
        await this.#card.start(await openMicrophone(), (packet) => this.#exchange(packet));
      });
      const socket = await this.#check("service", () => openSocket(url), (opened) => opened.close());
      this.#converse(socket, Coding, settings);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Ends the user's side; the summary still comes. */
  hangUp() {
    if (!this.#isOpen) {
      this.#finish({ reason: "HUNG_UP", message: "" });
      return;
    }
    this.#isOpen = false;
    this.#conversation.halfClose();
    setTimeout(() => this.#conversation.close(), SUMMARY_WITHIN_MS);
  }

  /** Lets Moshi hear silence, or the user again. */
  mute(muted) {
    this.#card.mute(muted);
  }

  /** Has the model draw by other `SessionSettings` from here on; before it is ready, nothing is changed. */
  sample(settings) {
    if (this.#isOpen) this.#conversation.sample(settings);
  }

  async #check(check, test, undo = () => {}) {
    this.#screen.checking(check);
    const found = await test();
    if (this.#isOver) {
      undo(found);
      throw new Error("the user has hung up");
    }
    this.#screen.passed(check);
    return found;
  }

  #converse(socket, Coding, settings) {
    const broken = (error) => this.#fail(new CannotTalk("codec", error.message, "Reload the page, or use another browser."));
    this.#coding = new Coding(
      (packet) => this.#send(packet),
      (frame, samples) => this.#card.play(frame, samples),
      broken,
    );
    this.#conversation = new Conversation(socket, {
      ready: (ready) => {
        this.#isOpen = true;
        this.#screen.ready(ready);
      },
      text: (text) => this.#screen.text(text),
      event: (event) => {
        this.#count(event);
        this.#screen.event(event);
      },
      audio: (data) => this.#coding.decode(data),
      summary: (summary) => (this.#summary = summary),
      ended: (end) => this.#finish(end),
    });
    const format = this.#coding.format;
    this.#conversation.open({ inputFormat: format, outputFormat: format, settings });
    this.#screen.waiting();
  }

  #exchange({ atS, spoken, heard, begun, heldMs, concealed, droppedMs }) {
    if (this.#isOver) return;
    if (this.#isOpen) {
      this.#delay.spokenFrom(atS);
      this.#recording.add(spoken, heard);
      if (this.#card.nowS - atS > MAX_LATE_S) this.#skip();
      else this.#coding.encode(spoken);
    }
    for (const { frame, atS: begunS } of begun) {
      const delayMs = this.#delay.heard(frame, begunS + this.#card.outputLatencyS);
      if (delayMs !== null) this.#screen.delay(delayMs, heldMs);
    }
    const leftOutMs = this.#leftOutFrames * FRAME_MS + this.#skippedMs;
    this.#screen.packet({ spoken, heard, concealed, droppedMs, leftOutMs });
  }

  #count({ step, framesDropped, framesConcealed }) {
    this.#leftOutFrames = Number(framesDropped?.totalFrames ?? this.#leftOutFrames);
    this.#filledInFrames = Number(framesConcealed?.totalFrames ?? this.#filledInFrames);
    if (framesDropped || framesConcealed) this.#delay.missed(Number(step), this.#leftOutFrames - this.#filledInFrames);
  }

  #send(packet) {
    if (!this.#isOver && !this.#conversation.send(packet)) this.#skip();
  }

  #skip() {
    this.#skippedMs += PACKET_MS;
    this.#delay.skipped(PACKET_MS);
  }

  #fail(error) {
    const wasOver = this.#isOver;
    this.#letGo(); // in any case: what was opened since is held too
    if (!wasOver) this.#screen.failed(error);
  }

  #finish({ reason, message }) {
    if (this.#isOver) return;
    this.#letGo();
    const recording = this.#recording.seconds > 0 ? this.#recording : null;
    this.#screen.ended({ reason, message, summary: this.#summary, recording });
  }

  #letGo() {
    this.#isOver = true;
    this.#card.close();
    this.#coding?.close();
    this.#conversation?.close();
  }
}
