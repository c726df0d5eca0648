// The exported ONNX graphs, run by onnxruntime-node, against the same golden numbers. The export is made afresh in a temporary folder.

import { argmax, logSumExp } from "../../../shared/sampling.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import { makeTemporaryFolder } from "../../io/temporary-folder.ts";
import { decoderRows } from "../../model/batch.ts";
import { type Cache, type FloatTensor, floats, type OnnxT5, openOnnxT5 } from "../../onnx/decode/onnx-t5.ts";
import { exportGraphs } from "../../onnx/export/export-graphs.ts";
import { completionOf, cosine, differingIds, largestGap, type ParityCheck } from "./check.ts";
import type { Golden, GoldenSide } from "./golden.ts";
import { VALUE_TOLERANCE } from "./tfjs-checks.ts";

/** Smallest cosine of int8 logits to fp32 logits. */
const INT8_COSINE = 0.99;

/** Values of row `b` at position `t` of a [B, T, *] tensor. */
function at({ data, dims }: FloatTensor, b: number, t: number): Float32Array {
  const [, length = 0, width = 0] = dims;
  return data.subarray((b * length + t) * width, (b * length + t + 1) * width);
}

/** Decoder inputs of one length: what onnxruntime takes as a matrix. */
function decoderMatrix(labels: readonly (readonly number[])[], config: T5Config): number[][] {
  const rows = decoderRows(labels, config);
  const width = Math.max(...rows.map((row) => row.length));
  return rows.map((row) => Array.from({ length: width }, (_, t) => row[t] ?? config.padTokenId));
}

async function greedy(model: OnnxT5, golden: Golden, config: T5Config): Promise<number[][]> {
  const encoded = await model.encode(golden.prompts);
  const steps = (golden.greedy[0]?.length ?? 1) - 1;
  const rows = golden.prompts.map(() => [config.decoderStartTokenId]);
  let cache: Cache | undefined;
  for (let step = 0; step < steps; step++) {
    const last = rows.map((row) => row.slice(-1));
    const result = await model.decode(encoded, last, cache);
    cache = result.cache;
    rows.forEach((row, b) => {
      row.push(argmax(at(result.logits, b, 0)));
    });
  }
  return rows.map((row) => completionOf(row, config.eosTokenId));
}

/** Gaps of one side's logits, token log-probs and sequence log-probs. */
function sideGaps(logits: FloatTensor, side: GoldenSide): { logits: number; tokens: number; sequences: number } {
  const first = side.firstLogits.map((expected, t) => largestGap(at(logits, 0, t), expected));
  const logps = side.ids.map((row, b) =>
    row.map((id, t) => {
      const values = at(logits, b, t);
      return (values[id] ?? Number.NaN) - logSumExp(values);
    }),
  );
  const sums = logps.map((row) => row.reduce((sum, logp) => sum + logp, 0));
  return {
    logits: Math.max(...first),
    tokens: largestGap(logps.flat(), side.tokenLogps.flat()),
    sequences: largestGap(sums, side.sequenceLogps),
  };
}

async function checkFp32(model: OnnxT5, golden: Golden, config: T5Config): Promise<ParityCheck[]> {
  const value = (name: string, gap: number): ParityCheck => ({ name, gap, tolerance: VALUE_TOLERANCE, unit: "" });
  const encoded = await model.encode(golden.prompts);
  const hidden = floats(encoded.hidden);
  const first = golden.encoder.row0First.map((expected, t) => largestGap(at(hidden, 0, t), expected));
  const last = largestGap(at(hidden, 1, (golden.prompts[1]?.length ?? 0) - 1), golden.encoder.row1Last);
  const gaps = [];
  for (const side of [golden.chosen, golden.rejected]) {
    const { logits } = await model.decode(encoded, decoderMatrix(side.ids, config));
    gaps.push(sideGaps(logits, side));
  }
  const expected = golden.greedy.map((row) => completionOf(row, config.eosTokenId));
  return [
    value("ONNX encoder hidden states", Math.max(...first, last)),
    value("ONNX logits", Math.max(...gaps.map((gap) => gap.logits))),
    value("ONNX token log-probs", Math.max(...gaps.map((gap) => gap.tokens))),
    value("ONNX sequence log-probs", Math.max(...gaps.map((gap) => gap.sequences))),
    {
      name: "ONNX greedy token ids",
      gap: differingIds(await greedy(model, golden, config), expected),
      tolerance: 0,
      unit: "ids",
    },
  ];
}

async function chosenLogits(model: OnnxT5, golden: Golden, config: T5Config): Promise<Float32Array> {
  const { logits } = await model.decode(await model.encode(golden.prompts), decoderMatrix(golden.chosen.ids, config));
  return logits.data;
}

/** Exports the folder in fp32 and int8 and checks both. Throws the export's errors. */
export async function checkOnnx(modelDir: string, config: T5Config, golden: Golden): Promise<ParityCheck[]> {
  const { dir, remove } = await makeTemporaryFolder("stepwise-parity-");
  const open: OnnxT5[] = [];
  try {
    await exportGraphs({ modelDir, outputDir: dir, dtypes: ["fp32", "int8"] });
    const exact = await openOnnxT5(dir, "fp32", config.padTokenId);
    open.push(exact);
    const rounded = await openOnnxT5(dir, "int8", config.padTokenId);
    open.push(rounded);
    const checks = await checkFp32(exact, golden, config);
    const similarity = cosine(await chosenLogits(rounded, golden, config), await chosenLogits(exact, golden, config));
    checks.push({
      name: "ONNX int8 logits, 1 - cosine to fp32",
      gap: 1 - similarity,
      tolerance: 1 - INT8_COSINE,
      unit: "",
    });
    return checks;
  } finally {
    for (const model of open) await model.dispose();
    await remove();
  }
}
