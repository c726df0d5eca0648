import { expect, test } from "vitest";
import { parseManifest } from "../../src/shared/manifest.ts";

const SHA256 = "0".repeat(64);

function manifestOf(file: { path: string; weights?: string[] }) {
  return {
    format: 1,
    model: "tiny",
    created: "2026-01-01T00:00:00.000Z",
    template_version: "stepwise-1",
    judge: { yes_token_id: 5, no_token_id: 6 },
    limits: { max_source_tokens: 16, max_target_tokens: 16 },
    files: [{ role: "encoder", dtype: "int8", bytes: 1, sha256: SHA256, ...file }],
  };
}

test.each(["config.json", "onnx/encoder_model.onnx", "onnx/..data", ".onnx/...", "a.b-c_d/e"])(
  "%s is a path inside a model folder",
  (path) => {
    expect(parseManifest(manifestOf({ path, weights: [path] })).files[0]).toMatchObject({ path, weights: [path] });
  },
);

test.each([
  "..",
  ".",
  "../config.json",
  "../../../package.json",
  "onnx/../../x",
  "onnx/./x",
  "onnx/..",
  "/etc/passwd",
  "a//b",
  "a\\..\\b",
  "",
])("%s leads out of a model folder, or is no path: as a file and as weights it is refused by name", (path) => {
  expect(() => parseManifest(manifestOf({ path }))).toThrow(/field "files\.0\.path"/);
  expect(() => parseManifest(manifestOf({ path: "onnx/graph.onnx", weights: ["onnx/data", path] }))).toThrow(
    /field "files\.0\.weights\.1"/,
  );
});
