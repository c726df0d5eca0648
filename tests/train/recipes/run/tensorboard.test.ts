// Event files are read back with a reader of this test: frames cut by hand, messages by a bare protobuf walk.

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openEventFile, tfRecord } from "../../../../src/train/recipes/run/tensorboard.ts";

type Field = { field: number; value: bigint | Buffer };

/** Bit-by-bit CRC-32C, apart from the table-driven one under test. */
function slowMaskedCrc(data: Buffer): number {
  let crc = 0xffffffffn;
  for (const byte of data) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n;
  }
  crc ^= 0xffffffffn;
  return Number((((crc >> 15n) | ((crc << 17n) & 0xffffffffn)) + 0xa282ead8n) & 0xffffffffn);
}

function records(file: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).toBe(slowMaskedCrc(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(file.readUInt32LE(at + 12 + length)).toBe(slowMaskedCrc(data));
    found.push(data);
    at += 16 + length;
  }
  return found;
}

function fields(message: Buffer): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message.readUInt8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = Number(varint());
    const wire = tag & 7;
    if (wire === 0) found.push({ field: tag >> 3, value: varint() });
    else {
      const length = wire === 2 ? Number(varint()) : wire === 1 ? 8 : 4;
      found.push({ field: tag >> 3, value: message.subarray(at, at + length) });
      at += length;
    }
  }
  return found;
}

function get(message: Buffer, ...path: number[]): bigint | Buffer | undefined {
  let value: bigint | Buffer | undefined = message;
  for (const number of path) {
    if (!Buffer.isBuffer(value)) return undefined;
    value = fields(value).find(({ field }) => field === number)?.value;
  }
  return value;
}

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "events-"));
});
afterAll(() => rm(dir, { recursive: true }));

test("a record is length, CRC, data, CRC", () => {
  const record = Buffer.from(tfRecord(Uint8Array.of(7)));
  expect(record.length).toBe(17);
  expect(records(record)).toEqual([Buffer.of(7)]);
});

test("an event file starts with its version and carries scalars and texts with their steps", async () => {
  const events = openEventFile(join(dir, "runs", "a"));
  events.scalar("train/loss", 0.25, 300);
  events.text("samples", "2 + 2 = 4", 301);
  events.close();
  const [version, scalar, text, ...rest] = records(await readFile(events.path));
  expect(rest).toEqual([]);
  if (version === undefined || scalar === undefined || text === undefined) throw new Error("three records expected");
  expect(String(get(version, 3))).toBe("brain.Event:2");
  const wallTime = get(version, 1);
  expect(Buffer.isBuffer(wallTime) && Math.abs(wallTime.readDoubleLE() - Date.now() / 1000) < 60).toBe(true);
  expect(get(scalar, 2)).toBe(300n);
  expect(String(get(scalar, 5, 1, 1))).toBe("train/loss");
  const value = get(scalar, 5, 1, 2);
  expect(Buffer.isBuffer(value) && value.readFloatLE()).toBe(0.25);
  expect(get(text, 2)).toBe(301n);
  expect(String(get(text, 5, 1, 8, 8))).toBe("2 + 2 = 4");
  expect(String(get(text, 5, 1, 9, 1, 1))).toBe("text");
});

test("a resumed run tells TensorBoard from which step on to forget the earlier points", async () => {
  const events = openEventFile(join(dir, "b"), { firstStep: 41 });
  events.close();
  const [, session] = records(await readFile(events.path));
  if (session === undefined) throw new Error("two records expected");
  expect(get(session, 2)).toBe(41n);
  expect(get(session, 7, 1)).toBe(1n);
});

test("files opened within one second do not overwrite each other", async () => {
  openEventFile(join(dir, "c")).close();
  openEventFile(join(dir, "c")).close();
  const names = await readdir(join(dir, "c"));
  expect(names).toHaveLength(2);
  expect(names.every((name) => name.startsWith("events.out.tfevents."))).toBe(true);
});

test("a value that is not a number stays visible in the curve", async () => {
  const events = openEventFile(join(dir, "d"));
  events.scalar("loss", Number.NaN, 1);
  events.close();
  const record = records(await readFile(events.path))[1];
  const value = record && get(record, 5, 1, 2);
  expect(Buffer.isBuffer(value) && value.readFloatLE()).toBeNaN();
});
