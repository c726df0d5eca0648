// The isolates of a workerd and the memory of each, by its inspector: the worker's own, and those of the platform's local stand-ins
// (bucket, workflows), which a deployed worker does not have.

import { readdir, readFile, readlink } from "node:fs/promises";
import { z } from "zod";
import type { HeapContent } from "../heap-snapshot.ts";
import { connectInspector } from "../inspector.ts";

const targetsSchema = z.array(z.object({ id: z.string(), webSocketDebuggerUrl: z.string() }));

/** The worker, the bucket and the engines of workflows. */
const OF_BATCHES = /^(core:user|r2:|workflows:)/;
/** An isolate that does not answer is left out. */
const LIMIT_MS = 10_000;
const TRIES = 3;

export interface IsolateMemory {
  /** Its service's name. */
  name: string;
  /** In use after a garbage collection, MB. */
  objects_mb: number;
  buffers_mb: number;
}

/** The memory of the isolates that batches use, of a process that was started with an inspector. */
export async function isolateMemory(pid: number): Promise<IsolateMemory[]> {
  const found: IsolateMemory[] = [];
  const targets = await targetsOf(pid);
  for (const { id, webSocketDebuggerUrl } of targets.filter(({ id: name }) => OF_BATCHES.test(name))) {
    const content = await contentOf(new URL(webSocketDebuggerUrl));
    if (content === undefined) continue;
    found.push({ name: id, objects_mb: content.objects / 2 ** 20, buffers_mb: content.buffers / 2 ** 20 });
  }
  return found;
}

/** The first question to an isolate that has just been busy may find no answer: it is asked again. */
async function contentOf(url: URL): Promise<HeapContent | undefined> {
  for (let tries = 0; tries < TRIES; tries++) {
    const inspector = await connectInspector(url);
    try {
      const content = await Promise.race([inspector.heapContent(), noAnswer()]);
      if (content !== undefined) return content;
    } finally {
      inspector.close();
    }
  }
  return undefined;
}

function noAnswer(): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, LIMIT_MS, undefined).unref());
}

/** Asks each port that the process listens on whether it is the inspector's. */
async function targetsOf(pid: number): Promise<z.infer<typeof targetsSchema>> {
  for (const port of await portsOf(pid)) {
    const answer = await fetch(`http://127.0.0.1:${port}/json`, { signal: AbortSignal.timeout(2_000) })
      .then((response) => response.json())
      .catch(() => undefined);
    const targets = targetsSchema.safeParse(answer);
    if (!targets.success) continue;
    return targets.data.map(({ id, webSocketDebuggerUrl }) => ({
      id,
      webSocketDebuggerUrl: webSocketDebuggerUrl.replace(/^ws:\/\/[^/]+/, `ws://127.0.0.1:${port}`),
    }));
  }
  throw new Error("workerd's inspector does not listen");
}

/** The TCP ports that a process listens on, by /proc. */
async function portsOf(pid: number): Promise<number[]> {
  const names = await readdir(`/proc/${pid}/fd`);
  const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => "")));
  const inodes = new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
  const tables = await Promise.all(
    ["tcp", "tcp6"].map((name) => readFile(`/proc/net/${name}`, "utf8").catch(() => "")),
  );
  const LISTEN = "0A";
  return tables
    .join("\n")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === LISTEN && inodes.has(inode ?? ""))
    .map(([, local]) => Number.parseInt(local?.split(":")[1] ?? "", 16));
}
