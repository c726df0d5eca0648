// A T5 v1.1 with fresh random weights in Hugging Face layout: where pretraining starts.
// Scales as in transformers' T5PreTrainedModel._init_weights, but the untied head starts at dModel^-0.5: with 1.0 the first logits
// would be ten times too large.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { createRng, type Rng } from "../../../shared/rng.ts";
import { parseT5Config, type T5Config } from "../../../shared/t5-config.ts";
import { parameterSpecs } from "../../model/parameters.ts";
import { writeSafetensors } from "../../store/safetensors.ts";

/** Standard deviation of a parameter's first values; norms start at 1 (undefined). */
export function initialDeviation(name: string, config: T5Config): number | undefined {
  const { dModel, dKv, dFf, numHeads } = config;
  if (name.endsWith("norm.weight")) return undefined;
  if (name === "shared.weight") return 1;
  if (name.endsWith(".q.weight")) return (dModel * dKv) ** -0.5;
  if (name.endsWith(".o.weight")) return (numHeads * dKv) ** -0.5;
  if (name.endsWith(".wo.weight")) return dFf ** -0.5;
  return dModel ** -0.5;
}

/** Box-Muller. */
export function normal(rng: Rng): number {
  return Math.sqrt(-2 * Math.log(1 - rng.next())) * Math.cos(2 * Math.PI * rng.next());
}

/** Writes config.json, generation_config.json, tokenizer files and random weights to `dir`. */
export async function initModel(options: {
  dir: string;
  config: Record<string, unknown>;
  tokenizerJson: object;
  tokenizerConfig: object;
  seed: number;
}): Promise<void> {
  const { dir, config: configJson, seed } = options;
  const config = parseT5Config(configJson);
  await mkdir(dir, { recursive: true });
  const pretty = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  await writeFileAtomic(join(dir, "config.json"), pretty(configJson));
  const generation = {
    decoder_start_token_id: config.decoderStartTokenId,
    eos_token_id: config.eosTokenId,
    pad_token_id: config.padTokenId,
  };
  await writeFileAtomic(join(dir, "generation_config.json"), pretty(generation));
  await writeFileAtomic(join(dir, "tokenizer.json"), `${JSON.stringify(options.tokenizerJson)}\n`);
  await writeFileAtomic(join(dir, "tokenizer_config.json"), pretty(options.tokenizerConfig));
  const rng = createRng(seed);
  const tensors = parameterSpecs(config, !config.tieWordEmbeddings).map(({ name, shape }) => ({
    name,
    shape,
    data: () => {
      const deviation = initialDeviation(name, config);
      const size = shape.reduce((n, dim) => n * dim, 1);
      return deviation === undefined
        ? new Float32Array(size).fill(1)
        : Float32Array.from({ length: size }, () => deviation * normal(rng));
    },
  }));
  await writeSafetensors(join(dir, "model.safetensors"), tensors);
}
