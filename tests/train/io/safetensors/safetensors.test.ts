// Byte layouts here are written by hand from the format's description, not with the code under test.

import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openModelTensors, openSafetensors, writeSafetensors } from "../../../../src/train/store/safetensors.ts";

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "safetensors-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** A file from a header object (or raw text) and data bytes. */
async function craft(name: string, header: unknown, data: Uint8Array): Promise<string> {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const path = join(dir, name);
  await writeFile(path, Buffer.concat([length, text, data]));
  return path;
}

test("float32, float16 and bfloat16 values are read as float32", async () => {
  const data = Buffer.alloc(16);
  data.writeFloatLE(1.5, 0);
  data.writeFloatLE(-2.25, 4);
  data.writeUInt16LE(0x3c00, 8); // 1 in float16
  data.writeUInt16LE(0xc000, 10); // -2 in float16
  data.writeUInt16LE(0x3f80, 12); // 1 in bfloat16
  data.writeUInt16LE(0xc2f7, 14); // -123.5 in bfloat16
  const path = await craft(
    "types.safetensors",
    {
      __metadata__: { format: "pt" },
      a: { dtype: "F32", shape: [1, 2], data_offsets: [0, 8] },
      b: { dtype: "F16", shape: [2], data_offsets: [8, 12] },
      c: { dtype: "BF16", shape: [2], data_offsets: [12, 16] },
    },
    data,
  );
  const reader = await openSafetensors(path);
  expect(reader.names).toEqual(["a", "b", "c"]);
  expect(reader.info("a")).toMatchObject({ dtype: "F32", shape: [1, 2] });
  expect([...(await reader.readFloat32("a"))]).toEqual([1.5, -2.25]);
  expect([...(await reader.readFloat32("b"))]).toEqual([1, -2]);
  expect([...(await reader.readFloat32("c"))]).toEqual([1, -123.5]);
  expect(() => reader.info("d")).toThrow(/no tensor "d"/);
  await reader.close();
});

test("float16 subnormals, infinities and NaN are widened exactly", async () => {
  const data = Buffer.alloc(10);
  [0x0001, 0x03ff, 0x7bff, 0xfc00, 0x7e00].forEach((bits, i) => {
    data.writeUInt16LE(bits, 2 * i);
  });
  const reader = await openSafetensors(
    await craft("half.safetensors", { h: { dtype: "F16", shape: [5], data_offsets: [0, 10] } }, data),
  );
  expect([...(await reader.readFloat32("h"))]).toEqual([2 ** -24, 1023 * 2 ** -24, 65504, -Infinity, NaN]);
  await reader.close();
});

test.each([
  ["a missing file", undefined, 0, /cannot be opened/],
  ["a header that is not JSON", "{nope", 0, /not JSON/],
  [
    "an unknown dtype",
    { a: { dtype: "F31", shape: [1], data_offsets: [0, 4] } },
    4,
    /dtype "F31" is unknown.*tensor "a"/,
  ],
  [
    "a shape that does not fit its bytes",
    { a: { dtype: "F32", shape: [3], data_offsets: [0, 8] } },
    8,
    /needs 12 bytes.*gives 8/,
  ],
  ["truncated data", { a: { dtype: "F32", shape: [2], data_offsets: [0, 8] } }, 4, /truncated: 4 of 8/],
  ["bytes after the last tensor", { a: { dtype: "F32", shape: [1], data_offsets: [0, 4] } }, 9, /5 bytes after/],
  [
    "overlapping tensors",
    { a: { dtype: "F32", shape: [2], data_offsets: [0, 8] }, b: { dtype: "F32", shape: [2], data_offsets: [4, 12] } },
    12,
    /overlap.*tensor "b"/,
  ],
  [
    "a hole between tensors",
    { a: { dtype: "F32", shape: [1], data_offsets: [0, 4] }, b: { dtype: "F32", shape: [1], data_offsets: [8, 12] } },
    12,
    /4 bytes before it belong to no tensor/,
  ],
  ["a header entry without offsets", { a: { dtype: "F32", shape: [1] } }, 4, /needs dtype, shape and data_offsets/],
])("%s is refused with its reason", async (name, header, dataBytes, message) => {
  const file = `${name.replaceAll(" ", "-")}.safetensors`;
  const path = header === undefined ? join(dir, file) : await craft(file, header, new Uint8Array(dataBytes));
  await expect(openSafetensors(path)).rejects.toThrow(message);
});

test("a Git LFS pointer is named as what it is not", async () => {
  const path = join(dir, "pointer.safetensors");
  await writeFile(path, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  await expect(openSafetensors(path)).rejects.toThrow(/not a safetensors file.*LFS/);
});

test("what is written is laid out as the format says and read back bit by bit", async () => {
  const path = join(dir, "written.safetensors");
  const values = Float32Array.of(0.1, -0, 3e38, 1e-45);
  await writeSafetensors(path, [
    { name: "w", shape: [2, 2], data: values },
    { name: "toString", shape: [1], data: async () => Float32Array.of(7) },
  ]);
  const bytes = await readFile(path);
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  expect(headerBytes % 8).toBe(0);
  expect(JSON.parse(bytes.subarray(8, 8 + headerBytes).toString())).toEqual({
    __metadata__: { format: "pt" },
    w: { dtype: "F32", shape: [2, 2], data_offsets: [0, 16] },
    toString: { dtype: "F32", shape: [1], data_offsets: [16, 20] },
  });
  expect(bytes.subarray(8 + headerBytes, 8 + headerBytes + 16)).toEqual(Buffer.from(values.buffer));
  const reader = await openSafetensors(path);
  expect(await reader.readFloat32("w")).toEqual(values);
  await reader.close();
});

test("a write that fails leaves nothing behind", async () => {
  const folder = await mkdtemp(join(dir, "fail-"));
  const write = writeSafetensors(join(folder, "x.safetensors"), [
    { name: "w", shape: [2, 2], data: new Float32Array(3) },
  ]);
  await expect(write).rejects.toThrow(/3 values do not fill \[2, 2\].*tensor "w"/);
  expect(await readdir(folder)).toEqual([]);
});

test("shards are read as one model through their index", async () => {
  const folder = await mkdtemp(join(dir, "shards-"));
  await writeSafetensors(join(folder, "model-1.safetensors"), [{ name: "a", shape: [1], data: Float32Array.of(1) }]);
  await writeSafetensors(join(folder, "model-2.safetensors"), [{ name: "b", shape: [1], data: Float32Array.of(2) }]);
  const index = join(folder, "model.safetensors.index.json");
  await writeFile(index, JSON.stringify({ weight_map: { a: "model-1.safetensors", b: "model-2.safetensors" } }));
  const reader = await openModelTensors(folder);
  expect(await reader.readFloat32("a")).toEqual(Float32Array.of(1));
  expect(await reader.readFloat32("b")).toEqual(Float32Array.of(2));
  await reader.close();

  await writeFile(index, JSON.stringify({ weight_map: { a: "model-1.safetensors", b: "model-1.safetensors" } }));
  await expect(openModelTensors(folder)).rejects.toThrow(/no tensor "b"/);
  await writeFile(index, JSON.stringify({ weight_map: { a: "../elsewhere.safetensors" } }));
  await expect(openModelTensors(folder)).rejects.toThrow(/not an index/);
});
