// Plays a WAV file to Moshi as if it were spoken now, prints Moshi's words as they come and writes
// its voice to another WAV file. Sound travels as 16-bit samples, so that no Opus library is needed.
//
//   node dist/examples/talk.js question.wav reply.wav [127.0.0.1:50051]

import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type ClientDuplexStream, credentials, type ServiceError } from "@grpc/grpc-js";
import { AudioEncoding, DialogueServiceClient, Pace } from "kaiwa/v1/dialogue";
import type { ConverseRequest, ConverseResponse } from "kaiwa/v1/dialogue";

type Call = ClientDuplexStream<ConverseRequest, ConverseResponse>;

const SAMPLE_RATE_HZ = 24_000;
const FRAME_MS = 80;
const FRAME_BYTES = 2 * 1920;
const ROOM_TO_ANSWER_MS = 5_000;

// What a WAV file says of 16-bit mono samples at 24 kHz: PCM, channels, samples and bytes a second
// (32 bits each), bytes and bits a sample.
const WAV_FORMAT = Buffer.from(new Uint16Array([1, 1, 24_000, 0, 48_000, 0, 2, 16]).buffer);

function readWav(path: string): Buffer {
  const file = readFileSync(path);
  let format = Buffer.alloc(0);
  for (let at = 12; at + 8 <= file.length; ) {
    const name = file.toString("latin1", at, at + 4);
    const body = file.subarray(at + 8, at + 8 + file.readUInt32LE(at + 4));
    if (name === "fmt ") {
      format = body.subarray(0, 16);
    } else if (name === "data" && format.equals(WAV_FORMAT)) {
      return body;
    }
    at += 8 + body.length + (body.length % 2);
  }
  throw new Error(`${path} is not a WAV file of 16-bit mono samples at ${SAMPLE_RATE_HZ} Hz`);
}

function wavChunk(name: string, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(body.length);
  return Buffer.concat([Buffer.from(name), size, body]);
}

function writeWav(path: string, samples: Buffer): void {
  const chunks = [wavChunk("fmt ", WAV_FORMAT), wavChunk("data", samples)];
  writeFileSync(path, wavChunk("RIFF", Buffer.from("WAVE"), ...chunks));
}

/** Sends one frame each 80 ms, then silence for as long as an answer may take. */
async function speak(call: Call, samples: Buffer): Promise<void> {
  const format = { encoding: AudioEncoding.PCM_S16LE, sampleRateHz: SAMPLE_RATE_HZ };
  const config = { inputFormat: format, outputFormat: format, pace: Pace.LIVE, record: false };
  call.write({ request: { $case: "config", value: config } });
  const silence = Buffer.alloc((ROOM_TO_ANSWER_MS / FRAME_MS) * FRAME_BYTES);
  const sound = Buffer.concat([samples, silence]);
  const start = performance.now();
  for (let frame = 0; frame * FRAME_BYTES < sound.length; frame++) {
    await sleep(start + frame * FRAME_MS - performance.now());
    const data = sound.subarray(frame * FRAME_BYTES, (frame + 1) * FRAME_BYTES);
    call.write({ request: { $case: "audio", value: { data } } });
  }
  call.end();
}

/** Prints words as they come; gives Moshi's voice when the conversation has ended. */
async function listen(call: Call): Promise<Buffer> {
  const frames: Buffer[] = [];
  let space = "";
  for await (const { response } of call as AsyncIterable<ConverseResponse>) {
    if (response?.$case === "audio") {
      frames.push(response.value.data);
    } else if (response?.$case === "text") {
      process.stdout.write((response.value.startsWord ? space : "") + response.value.text);
      space = " ";
    } else if (response?.$case === "summary") {
      console.log(`\n${response.value.framesIn} frames heard, ${response.value.framesOut} spoken`);
    }
  }
  return Buffer.concat(frames);
}

const [question, reply, target = "127.0.0.1:50051"] = process.argv.slice(2);
if (question === undefined || reply === undefined) {
  throw new Error("usage: node dist/examples/talk.js question.wav reply.wav [host:port]");
}
const client = new DialogueServiceClient(target, credentials.createInsecure());
const call = client.converse();
try {
  const [voice] = await Promise.all([listen(call), speak(call, readWav(question))]);
  writeWav(reply, voice);
} catch (error) {
  const { details, message, metadata } = error as ServiceError;
  console.error(`${metadata?.get("kaiwa-reason")[0] ?? "ERROR"}: ${details ?? message}`);
  process.exit(1);
}
client.close();
