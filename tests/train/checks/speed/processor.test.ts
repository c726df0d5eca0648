// What a speed was measured on, from the text of a known processor.

import { expect, test } from "vitest";
import { kernelsOf, vectorFeatures } from "../../../../src/train/checks/speed/processor.ts";

test("vector instructions are read from x64's flags and arm64's features", () => {
  expect(vectorFeatures("model name\t: A\nflags\t\t: fpu sse2 avx2 avx512f amx_tile\n")).toEqual([
    "amx_tile",
    "avx2",
    "avx512f",
  ]);
  expect(vectorFeatures("Features\t: fp asimd i8mm\n")).toEqual(["asimd", "i8mm"]);
  expect(vectorFeatures("")).toEqual([]);
});

test("kernels are those of the setting that TensorFlow reads", () => {
  expect(kernelsOf("tensorflow", "1")).toBe("oneDNN");
  expect(kernelsOf("tensorflow", "0")).toBe("Eigen");
  expect(kernelsOf("wasm", "1")).toContain("WebAssembly");
});
