/** How a conversation ended, in words for people, by the contract's reason. */

const TITLES = {
  HUNG_UP: "You ended the call",
  NORMAL: "You ended the call",
  LOST: "The connection was lost",
  FULL: "Every place is taken",
  NOT_READY: "The service is still starting",
  DRAINING: "The service is closing",
  CODEC_DOWN: "A part of the service is down",
  LM_DOWN: "A part of the service is down",
  MODEL_FAILED: "The model failed",
  CLIENT_SILENT: "The service heard nothing from here",
  SLOW_CONSUMER: "The connection is too slow",
  BAD_SETTINGS: "The settings are not accepted",
  NOT_SUPPORTED: "The model cannot do that",
};

/** Gives the title of an end. */
export function titleOf(reason) {
  return TITLES[reason] ?? "The service ended the call";
}

/** Whether the user meant it. */
export function isMeant(reason) {
  return reason === "HUNG_UP" || reason === "NORMAL";
}

/** Gives what a `Summary` says, in a sentence. */
export function sentenceOf(summary) {
  const seconds = Math.round(Number(summary.framesIn) * 0.08);
  const parts = [`Moshi heard ${seconds} s of you`];
  if (Number(summary.framesDropped)) parts.push(`${summary.framesDropped} frames were left out`);
  if (Number(summary.framesConcealed)) parts.push(`${summary.framesConcealed} that did not come were filled in`);
  parts.push(`the service answered each frame in ${Math.round(summary.turnaroundP50Ms)} ms (median)`);
  return `${parts.join(", ")}; seed ${summary.seed}.`;
}

/** Gives what an `Event` says, in a sentence; none for one that has no news for people. */
export function newsOf(event) {
  if (event.contextRolled) return "From here on Moshi forgets how the conversation began.";
  if (event.goingAway) return `The service is closing: ${Math.round(event.goingAway.graceMs / 1000)} s are left.`;
  if (event.samplingChanged) {
    const { textTemperature, audioTemperature } = event.samplingChanged.sampling;
    return `From here on words have the temperature ${textTemperature}, the voice ${audioTemperature}.`;
  }
  return "";
}
