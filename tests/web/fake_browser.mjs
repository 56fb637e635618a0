/** What a call needs of a browser, without one: a microphone, a loudspeaker and a socket that tests work by hand. */

export class FakeSocket {
  static OPEN = 1;
  static last;
  readyState = 0;
  bufferedAmount = 0;
  sent = [];

  constructor(url) {
    this.url = url;
    FakeSocket.last = this;
  }

  open() {
    this.readyState = FakeSocket.OPEN;
    this.onopen();
  }

  /** Lets the page hear a message of the service. */
  hear(message) {
    this.onmessage({ data: message instanceof ArrayBuffer ? message : JSON.stringify(message) });
  }

  send(message) {
    this.sent.push(message);
  }

  close() {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.();
  }
}

/** Whether there is one: without it the clock never runs. */
export const loudspeaker = { isThere: true };

class FakeAudioContext {
  static nowS = 0;
  state = "running";
  outputLatency = 0;
  baseLatency = 0;
  destination = {};
  audioWorklet = { addModule: async () => {} };

  get currentTime() {
    return FakeAudioContext.nowS;
  }

  createMediaStreamSource() {
    return { connect() {} };
  }

  resume() {
    return loudspeaker.isThere ? Promise.resolve() : new Promise(() => {});
  }

  async close() {
    this.state = "closed";
  }
}

class FakeAudioWorkletNode {
  static last;
  port = { postMessage() {} };

  constructor() {
    FakeAudioWorkletNode.last = this;
  }

  connect() {}
}

/** The microphone: `grant` and `refuse` are what the user does when asked for it. */
export const microphone = {
  track: { label: "fake", enabled: true, isOn: false, stop: () => (microphone.track.isOn = false) },

  ask() {
    return new Promise((resolve, reject) => {
      microphone.grant = () => {
        microphone.track.isOn = true;
        resolve({ getTracks: () => [microphone.track] });
      };
      microphone.refuse = (name) => reject(Object.assign(new Error(name), { name }));
    });
  },

  /** Records 20 ms, and plays as much, from this moment of the clock on; the page sees it `lateS` later. */
  record(atS, begun = [], lateS = 0) {
    FakeAudioContext.nowS = atS + 0.02 + lateS;
    const [spoken, heard] = [new Float32Array(960), new Float32Array(960)];
    const data = { atS, spoken, heard, begun, heldMs: 0, concealed: 0, droppedMs: 0 };
    FakeAudioWorkletNode.last.port.onmessage({ data });
  },
};

Object.assign(globalThis, {
  isSecureContext: true,
  WebSocket: FakeSocket,
  AudioContext: FakeAudioContext,
  AudioWorkletNode: FakeAudioWorkletNode,
});
Object.defineProperty(globalThis, "navigator", {
  value: { mediaDevices: { getUserMedia: () => microphone.ask() } },
  configurable: true,
});

/** Lets all that is ready to happen happen. */
export function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}
