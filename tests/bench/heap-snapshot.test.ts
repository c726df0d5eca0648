import { getHeapSnapshot } from "node:v8";
import { expect, test } from "vitest";
import { parseHeapSnapshot } from "../../src/bench/heap-snapshot.ts";

test("a snapshot's sizes are summed, buffers apart", () => {
  const snapshot = { meta: { node_fields: ["type", "name", "id", "self_size"] } };
  const strings = ["Object", "system / JSArrayBufferData"];
  const nodes = [3, 0, 1, 100, 8, 1, 3, 4096, 3, 0, 5, 20];
  expect(parseHeapSnapshot(JSON.stringify({ snapshot, nodes, strings }))).toEqual({ objects: 120, buffers: 4096 });
});

test("V8's own snapshot holds the bytes of an ArrayBuffer and of WebAssembly's memory", async () => {
  const held = [new Uint8Array(30_000_000).fill(1), new WebAssembly.Memory({ initial: 256 }).buffer];
  let text = "";
  for await (const chunk of getHeapSnapshot()) text += String(chunk);
  const { buffers, objects } = parseHeapSnapshot(text);
  expect(buffers).toBeGreaterThan(30_000_000 + 256 * 65_536 - 1);
  expect(objects).toBeGreaterThan(1_000_000);
  expect(held).toHaveLength(2);
});

test("another text is refused", () => {
  expect(() => parseHeapSnapshot("{}")).toThrow("not a heap snapshot (inspector)");
});
