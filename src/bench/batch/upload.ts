// Memory of workerd while a large input streams in: what it holds after the first tenth, and at most after that.

import { request } from "node:http";
import { requestOf } from "../load/client.ts";
import { type IsolateMemory, isolateMemory } from "./isolates.ts";
import { ownWorkerd, residentMb } from "./own-workerd.ts";
import { openStage } from "./stage.ts";

const MIB = 2 ** 20;

export interface UploadResult {
  megabytes: number;
  seconds: number;
  /** Resident memory of workerd, the local bucket included, MB: before, after a tenth of the file, the most after that, the last. */
  before_mb: number;
  tenth_mb: number;
  most_mb: number;
  last_mb: number;
  /** In use by each isolate after a garbage collection, MB, after a tenth of the file and near its end. */
  isolates: { name: string; tenth_mb: number; end_mb: number }[];
}

/** Uploads so many megabytes of requests. */
export async function benchUpload(modelDir: string, megabytes: number): Promise<UploadResult> {
  const stage = await openStage({ modelDir, inspect: true });
  try {
    const pid = await ownWorkerd();
    const before = await residentMb(pid);
    const start = performance.now();
    let [tenth, most, last] = [0, 0, 0];
    const heaps: Promise<IsolateMemory[]>[] = [];
    await send(stage.url, megabytes * MIB, async (sent) => {
      last = await residentMb(pid);
      const part = sent / (megabytes * MIB);
      if (part < 0.1) tenth = Math.max(tenth, last);
      else most = Math.max(most, last);
      // a snapshot itself takes memory of the process: none before these
      // nor is it waited for: an upload from which nothing comes is given up
      if (heaps.length === 0 && part >= 0.1) heaps.push(isolateMemory(pid));
      if (heaps.length === 1 && part >= 0.95) heaps.push(isolateMemory(pid));
    });
    const seconds = (performance.now() - start) / 1000;
    const [early = [], late = []] = await Promise.all(heaps);
    const isolates = early.map((one) => ({
      name: one.name,
      tenth_mb: one.objects_mb + one.buffers_mb,
      end_mb: late.filter(({ name }) => name === one.name).reduce((sum, at) => sum + at.objects_mb + at.buffers_mb, 0),
    }));
    return { megabytes, seconds, before_mb: before, tenth_mb: tenth, most_mb: most, last_mb: last, isolates };
  } finally {
    await stage.close();
  }
}

/** Streams a form; `onSent` is told every eight megabytes. */
async function send(url: string, bytes: number, onSent: (sent: number) => Promise<void>): Promise<void> {
  const head =
    '--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="large.jsonl"\r\n\r\n';
  const answer = new Promise<number>((resolve, reject) => {
    const call = request(`${url}/v1/files`, {
      method: "POST",
      headers: { "content-type": "multipart/form-data; boundary=x" },
    });
    call.on("response", (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    call.on("error", reject);
    const write = (text: string) =>
      new Promise<void>((done) => (call.write(text) ? done() : call.once("drain", () => done())));
    const run = async () => {
      await write(head);
      let index = 0;
      let sent = 0;
      for (let told = 0; sent < bytes; ) {
        let block = "";
        while (block.length < MIB) {
          const { body } = requestOf(index, { maxNewTokens: 32, promptTokens: 200 });
          block += `${JSON.stringify({ custom_id: `request-${index++}`, method: "POST", url: "/generate", body })}\n`;
        }
        await write(block);
        sent += block.length;
        if (sent - told < 8 * MIB) continue;
        told = sent;
        await onSent(sent);
      }
      await write("\r\n--x--\r\n");
      call.end();
    };
    run().catch(reject);
  });
  const status = await answer;
  if (status !== 200) throw new Error(`the upload was answered with ${status}`);
}
