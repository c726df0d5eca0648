// Two files of a model that changed places, as HTTP tells of them: no request gets a text, and /health says which file it is and why.

import { afterAll, beforeAll, expect, test } from "vitest";
import { createEngine } from "../../src/edge/engine/engine.ts";
import type { ModelStore } from "../../src/edge/model-store.ts";
import { folderStore } from "../../src/serve/folder-store.ts";
import { createNodeRuntime } from "../../src/serve/node-runtime.ts";
import { MANIFEST_FILE, parseManifest } from "../../src/shared/manifest.ts";
import { exportTinyModel } from "../runtime/tiny-model.ts";
import { appOn } from "./fake-engine.ts";

let model: Awaited<ReturnType<typeof exportTinyModel>>;
beforeAll(async () => {
  model = await exportTinyModel("t5-v1.1", { lean: true });
});
afterAll(() => model.remove());

/** The folder, its manifest giving the role of each of two files to the other. */
function swapping(one: string, other: string): ModelStore {
  const store = folderStore({ model: model.dir });
  const roles = new Map([
    [one, other],
    [other, one],
  ]);
  return {
    async read(path) {
      const bytes = await store.read(path);
      if (bytes === undefined || !path.endsWith(MANIFEST_FILE)) return bytes;
      const manifest = parseManifest(JSON.parse(new TextDecoder().decode(bytes)));
      const files = manifest.files.map((file) => ({ ...file, role: roles.get(file.role) ?? file.role }));
      return new TextEncoder().encode(JSON.stringify({ ...manifest, files }));
    },
  };
}

test.each([
  ["int8", "lean_encoder", "lean_decoder"],
  ["int8", "lean_head", "lean_decoder"],
  ["fp32", "encoder", "decoder"],
] as const)("%s: %s and %s", async (dtype, one, other) => {
  const options = { policy: "model", reward: "model", dtype, maxWaiting: 4, runtime: createNodeRuntime(1) };
  const { call } = appOn(createEngine({ ...options, store: swapping(one, other) }));
  const expected = {
    status: 503,
    json: { error: expect.stringMatching(/this is no (lean_)?(encoder|decoder|head): it gives no /) },
  };
  expect(await call("/health")).toMatchObject(expected);
  expect(await call("/generate", { inputs: "Tom has 3 apples." })).toMatchObject(expected);
  expect(await call("/score", { prompt: "Tom has 3 apples.", completion: "3 + 4 = 7" })).toMatchObject(expected);
  // the metrics are there all the same
  expect((await call("/metrics")).status).toBe(200);
});
