// Numbers of a config stay as they were written.

import { expect, test } from "vitest";
import { editJson } from "../../../src/train/io/edit-json.ts";

test("floats stay floats, integers too large for JavaScript keep their digits, strings are left alone", () => {
  const text =
    '{"initializer_factor":1.0,"layer_norm_epsilon":1e-06,"name":"v1.0 \\\\ \\"2.0\\"","n":[1,0.0],"max":1000000000000000019884624838656}';
  expect(editJson(text, { d_model: 64 })).toBe(`{
  "initializer_factor": 1.0,
  "layer_norm_epsilon": 1e-06,
  "name": "v1.0 \\\\ \\"2.0\\"",
  "n": [
    1,
    0.0
  ],
  "max": 1000000000000000019884624838656,
  "d_model": 64
}
`);
});

test("a changed field has its new value", () => {
  expect(editJson('{"dropout_rate":0.0,"num_decoder_layers":2.0}', { num_decoder_layers: 3 })).toBe(
    '{\n  "dropout_rate": 0.0,\n  "num_decoder_layers": 3\n}\n',
  );
});
