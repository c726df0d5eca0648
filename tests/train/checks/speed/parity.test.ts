// The batch parity bench: PyTorch's numbers pass, others do not, and a file without them is refused.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { benchParity } from "../../../../src/train/checks/speed/batch-parity.ts";
import { goldenDir } from "../parity/models.ts";

const modelDir = goldenDir("t5-v1.1");
const goldenPath = join(modelDir, "golden.json");
let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bench-parity-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function changed(change: Record<string, unknown>): Promise<string> {
  const path = join(dir, "changed.json");
  const golden: Record<string, unknown> = JSON.parse(await readFile(goldenPath, "utf8"));
  await writeFile(path, JSON.stringify({ ...golden, ...change }));
  return path;
}

test("PyTorch's log-probs, loss and gradient norm of a golden model are met", async () => {
  const result = await benchParity({ modelDir, goldenPath });
  expect(result).toMatchObject({ bench: "parity", pairs: 2, within: true });
  expect(Math.max(result.logps_gap, result.loss_gap, result.grad_norm_gap)).toBeLessThan(1e-4);
});

test("numbers of another model are not", async () => {
  const result = await benchParity({ modelDir, goldenPath: await changed({ grad_norm: 1 }) });
  expect(result.within).toBe(false);
});

test("a golden file that lacks a field, or a row of one, is refused with the field's name", async () => {
  await expect(benchParity({ modelDir, goldenPath: await changed({ grad_norm: undefined }) })).rejects.toThrow(
    'field "grad_norm"',
  );
  await expect(benchParity({ modelDir, goldenPath: await changed({ score_margin: [1] }) })).rejects.toThrow(
    "one entry a prompt",
  );
  await expect(benchParity({ modelDir, goldenPath: join(dir, "none.json") })).rejects.toThrow("cannot be read");
});
