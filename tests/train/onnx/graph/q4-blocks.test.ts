// 4-bit blocks, worked out by hand: a code is a value in steps of the block's scale plus 8, two codes a byte, the earlier in the low half.

import { expect, test } from "vitest";
import { quantizeBlocks } from "../../../../src/train/onnx/graph/q4-blocks.ts";

/** 32 values: those given, then zeros. */
const block = (...values: number[]): number[] => [...values, ...Array<number>(32 - values.length).fill(0)];

/** Value k of the blocks, by the operator's definition. */
function valueAt({ codes, scales }: ReturnType<typeof quantizeBlocks>, k: number): number {
  const byte = codes[k >> 1] ?? Number.NaN;
  const code = k % 2 === 0 ? byte % 16 : Math.floor(byte / 16);
  return (code - 8) * (scales[Math.floor(k / 32)] ?? Number.NaN);
}

test("whole steps of a scale are kept as they are, packed low half first", () => {
  // with the scale 0.5: -4, 3.5, 0, 0.5, -1, 1.5 are -8, 7, 0, 1, -2, 3 steps, so the codes 0, 15, 8, 9, 6, 11;
  // the bytes are 15 * 16 + 0, 9 * 16 + 8, 11 * 16 + 6, and 8 * 16 + 8 for two zeros
  const { codes, scales } = quantizeBlocks(Float32Array.from(block(-4, 3.5, 0, 0.5, -1, 1.5)));
  expect([...scales]).toEqual([0.5]);
  expect([...codes]).toEqual([0xf0, 0x98, 0xb6, ...Array<number>(13).fill(0x88)]);
});

test("a block whose largest value is positive has a negative scale, so that this value has code 0", () => {
  // 8 and -7 are -8 and 7 steps of -1: codes 0 and 15
  const { codes, scales } = quantizeBlocks(Float32Array.from(block(8, -7)));
  expect([...scales]).toEqual([-1]);
  expect(codes[0]).toBe(0xf0);
});

test("every block has its own scale, in order, and a block of zeros is zeros", () => {
  const { codes, scales } = quantizeBlocks(Float32Array.from([...block(-8, 7), ...block(), ...block(-16, 14)]));
  expect([...scales]).toEqual([1, 1, 2]);
  expect([...codes.subarray(0, 16)]).toEqual([0xf0, ...Array<number>(15).fill(0x88)]);
  expect([...codes.subarray(16, 32)]).toEqual(Array<number>(16).fill(0x88));
  expect([...codes.subarray(32)]).toEqual([0xf0, ...Array<number>(15).fill(0x88)]);
});

test("the squared error is well below that of rounding to sevenths of the largest magnitude", () => {
  // values of a normal distribution, from sums of the golden ratio's multiples
  const values = Float32Array.from({ length: 64 * 32 }, (_, i) =>
    Array.from({ length: 12 }, (_, j) => ((i * 12 + j) * 0.6180339887498949) % 1).reduce((sum, x) => sum + x, -6),
  );
  const blocks = quantizeBlocks(values);
  let [ours, plain] = [0, 0];
  for (let b = 0; b < 64; b++) {
    const own = values.subarray(b * 32, (b + 1) * 32);
    const step = Math.max(...own.map(Math.abs)) / 7;
    let [error, plainError] = [0, 0];
    own.forEach((x, i) => {
      error += (x - valueAt(blocks, b * 32 + i)) ** 2;
      plainError += (x - Math.round(x / step) * step) ** 2;
    });
    ours += error;
    plain += plainError;
  }
  expect(ours).toBeLessThan(0.85 * plain);
});

test("values that are no whole blocks are refused", () => {
  expect(() => quantizeBlocks(new Float32Array(33))).toThrow("33 values are not whole blocks of 32");
});
