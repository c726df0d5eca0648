// float32 to float16 against numpy: np.float32(x).astype(np.float16).view(np.uint16).

import { expect, test } from "vitest";
import { float16ToFloat32, float32ToFloat16 } from "../../../../src/train/io/safetensors/float-bits.ts";

const halves: [value: number, bits: number][] = [
  [0, 0x0000],
  [1, 0x3c00],
  [-2, 0xc000],
  [0.1, 0x2e66],
  [65504, 0x7bff],
  [65519, 0x7bff],
  [65520, 0x7c00],
  [-1e9, 0xfc00],
  [1 + 2 ** -11, 0x3c00],
  [1 + 3 * 2 ** -11, 0x3c02],
  [2 - 2 ** -12, 0x4000],
  [2 ** -14, 0x0400],
  [2 ** -14 - 2 ** -25, 0x0400],
  [2 ** -24, 0x0001],
  [2 ** -25, 0x0000],
  [1.5 * 2 ** -24, 0x0002],
];

test.each(halves)("%d rounds to the nearest float16", (value, bits) => {
  expect(float32ToFloat16(Float32Array.of(value))[0]).toBe(bits);
});

test("not a number stays none, and every float16 comes back as it was", () => {
  expect(float16ToFloat32(float32ToFloat16(Float32Array.of(Number.NaN)))[0]).toBeNaN();
  const finite = Uint16Array.from({ length: 0x7c00 }, (_, bits) => bits);
  expect(float32ToFloat16(float16ToFloat32(finite))).toEqual(finite);
});
