/** What a talk needs, tested one by one; what is missing is named, with its cure. */

import { OpusCoding } from "./opus.js";
import { PcmCoding } from "./pcm.js";

const SOCKET_WITHIN_MS = 5000;

/** The checks in their order. */
export const CHECKS = [
  { check: "page", name: "Secure page" },
  { check: "microphone", name: "Microphone" },
  { check: "codec", name: "Audio codec" },
  { check: "service", name: "Service" },
];

/** Why there can be no talk: the check that failed, what is wrong, and what helps. */
export class CannotTalk extends Error {
  constructor(check, problem, cure) {
    super(problem);
    this.check = check;
    this.cure = cure;
  }
}

/** Tests that the browser lets this page hear anything at all. */
export function checkPage() {
  if (isSecureContext && navigator.mediaDevices) return;
  throw new CannotTalk(
    "page",
    "Browsers give no microphone to a page that came over plain http.",
    `Open it as http://localhost${location.port && `:${location.port}`} on the machine that serves it, ` +
      "or put a proxy with a certificate in front and open it as https.",
  );
}

/** Gives the microphone's stream, with the echo of Moshi's voice taken out of it. */
export async function openMicrophone() {
  const audio = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new CannotTalk("microphone", ...(MICROPHONE_PROBLEMS[error.name] ?? [error.message, "Try another browser."]));
  }
}

const MICROPHONE_PROBLEMS = {
  NotAllowedError: [
    "The browser does not let this page use the microphone.",
    "Allow it: at the left of the address bar, or in the system's privacy settings.",
  ],
  NotFoundError: ["No microphone is connected.", "Connect one, or turn it on in the system's settings."],
  NotReadableError: ["The microphone cannot be opened.", "Close other programs that use it, or connect it anew."],
};

/** Gives the best coding that this browser has. */
export async function chooseCoding() {
  if (!("AudioWorkletNode" in globalThis)) {
    throw new CannotTalk("codec", "This browser has no AudioWorklet.", "Use a browser of 2021 or newer.");
  }
  return (await OpusCoding.isSupported()) ? OpusCoding : PcmCoding;
}

/** Gives why there can be no talk when nobody answers at `url`. */
export function noAnswer(url) {
  const cure = "Is the service running? If there is a proxy in between, it has to pass WebSockets on.";
  return new CannotTalk("service", `No connection to ${url}.`, cure);
}

/** Gives an open WebSocket to `url`. */
export function openSocket(url) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    const timer = setTimeout(() => socket.close(), SOCKET_WITHIN_MS);
    socket.onopen = () => {
      clearTimeout(timer);
      socket.onclose = null;
      resolve(socket);
    };
    socket.onclose = () => {
      clearTimeout(timer);
      reject(noAnswer(url));
    };
  });
}
