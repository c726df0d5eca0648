// What lives in a JavaScript heap, from a heap snapshot of the inspector: also what ArrayBuffers and WebAssembly's memory hold, which
// Runtime.getHeapUsage leaves out. A snapshot is preceded by a garbage collection, so it counts what is in use.
// https://chromedevtools.github.io/devtools-protocol/v8/HeapProfiler/, https://v8.dev/docs/heap-snapshot-format

import { z } from "zod";
import { ArtifactError } from "../shared/errors.ts";

/** Bytes in use. */
export interface HeapContent {
  /** Objects, strings, code. */
  objects: number;
  /** What ArrayBuffers hold, WebAssembly's memory included. */
  buffers: number;
}

const BUFFER_DATA = "system / JSArrayBufferData";

const snapshotSchema = z.object({
  snapshot: z.object({ meta: z.object({ node_fields: z.array(z.string()) }) }),
  nodes: z.array(z.number()),
  strings: z.array(z.string()),
});

/** Sums the sizes of a snapshot's nodes. Throws ArtifactError for text that is none. */
export function parseHeapSnapshot(text: string): HeapContent {
  const parsed = snapshotSchema.safeParse(JSON.parse(text));
  if (!parsed.success) {
    throw new ArtifactError({
      code: "bad_snapshot",
      what: "not a heap snapshot",
      where: "inspector",
      cause: parsed.error,
    });
  }
  const { snapshot, nodes, strings } = parsed.data;
  const { node_fields: fields } = snapshot.meta;
  const [name, size] = [fields.indexOf("name"), fields.indexOf("self_size")];
  const content: HeapContent = { objects: 0, buffers: 0 };
  for (let node = 0; node < nodes.length; node += fields.length) {
    const kind = strings[nodes[node + name] ?? -1] === BUFFER_DATA ? "buffers" : "objects";
    content[kind] += nodes[node + size] ?? 0;
  }
  return content;
}
