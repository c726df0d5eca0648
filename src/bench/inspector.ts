// The Chrome DevTools Protocol over a WebSocket, as much as it takes to ask an isolate for its memory. Node 20 has no WebSocket client.
// https://www.rfc-editor.org/rfc/rfc6455, https://chromedevtools.github.io/devtools-protocol/v8/Runtime/#method-getHeapUsage

import { randomBytes } from "node:crypto";
import { request } from "node:http";
import type { Duplex } from "node:stream";
import { z } from "zod";
import { CapacityError } from "../shared/errors.ts";
import { type HeapContent, parseHeapSnapshot } from "./heap-snapshot.ts";

const TEXT = 1;
const FINAL = 0x80;
const MASKED = 0x80;

const heapSchema = z.object({ usedSize: z.number(), totalSize: z.number() });

const messageSchema = z.object({
  id: z.number().optional(),
  result: z.unknown().optional(),
  /** Of the events that a snapshot arrives in. */
  params: z.object({ chunk: z.string().optional() }).optional(),
});

/** Bytes: objects in the JavaScript heap, and what the heap has reserved. workerd gives 0 for what ArrayBuffers hold. */
export type HeapUsage = z.infer<typeof heapSchema>;

export interface Inspector {
  heapUsage(): Promise<HeapUsage>;
  /** What is in use, after a garbage collection; takes a second. */
  heapContent(): Promise<HeapContent>;
  close(): void;
}

/** Connects to a `ws://` URL. Throws CapacityError when nothing answers there. */
export async function connectInspector(url: URL): Promise<Inspector> {
  const socket = await openWebSocket(url);
  const waiting = new Map<number, (result: unknown) => void>();
  let nextId = 1;
  let snapshot: string[] = [];
  readTexts(socket, (text) => {
    const message = messageSchema.parse(JSON.parse(text));
    if (message.params?.chunk !== undefined) snapshot.push(message.params.chunk);
    if (message.id === undefined) return;
    waiting.get(message.id)?.(message.result);
    waiting.delete(message.id);
  });
  const call = (method: string): Promise<unknown> =>
    new Promise((resolve) => {
      const id = nextId++;
      waiting.set(id, resolve);
      socket.write(textFrame(JSON.stringify({ id, method })));
    });
  return {
    async heapContent() {
      snapshot = [];
      await call("HeapProfiler.takeHeapSnapshot");
      return parseHeapSnapshot(snapshot.join(""));
    },
    heapUsage: async () => heapSchema.parse(await call("Runtime.getHeapUsage")),
    close: () => socket.destroy(),
  };
}

function openWebSocket(url: URL): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const headers = {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": randomBytes(16).toString("base64"),
    };
    const fail = (what: string, cause?: unknown) =>
      reject(new CapacityError({ code: "no_inspector", what, where: url.href, cause }));
    const handshake = request({ host: url.hostname, port: url.port, path: url.pathname, headers });
    handshake.on("upgrade", (_response, socket) => resolve(socket));
    handshake.on("response", ({ statusCode }) => fail(`the inspector answered ${statusCode}`));
    handshake.on("error", (cause) => fail("the inspector cannot be reached", cause));
    handshake.end();
  });
}

/** A client's frame: masked, with a mask of zeros, which leaves the payload as it is. */
function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  if (payload.length > 125) throw new RangeError("a request to the inspector is short");
  return Buffer.concat([Buffer.from([FINAL | TEXT, MASKED | payload.length, 0, 0, 0, 0]), payload]);
}

/** Calls `onText` with each whole text message; a server's frames are not masked. */
function readTexts(socket: Duplex, onText: (text: string) => void): void {
  let buffer = Buffer.alloc(0);
  let parts: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk]);
    for (;;) {
      if (buffer.length < 2) return;
      const [first = 0, second = 0] = buffer;
      let length = second & 0x7f;
      let start = 2;
      if (length === 126) {
        if (buffer.length < 4) return;
        length = buffer.readUInt16BE(2);
        start = 4;
      } else if (length === 127) {
        if (buffer.length < 10) return;
        length = Number(buffer.readBigUInt64BE(2));
        start = 10;
      }
      if (buffer.length < start + length) return;
      const payload = buffer.subarray(start, start + length);
      buffer = buffer.subarray(start + length);
      const opcode = first & 0x0f;
      if (opcode > 2) continue; // close, ping, pong
      parts.push(payload);
      if ((first & FINAL) === 0) continue;
      onText(Buffer.concat(parts).toString("utf8"));
      parts = [];
    }
  });
}
