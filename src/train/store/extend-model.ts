// A model with more characters in its vocabulary: tokenizer.json has them as pieces, the embedding and a head of its own have rows for them.
// Stock T5s have 28 rows that no token uses; where these are not enough, both tables and vocab_size grow.

import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { withCharacters } from "../../shared/added-characters.ts";
import { createTokenizer, type TextTokenizer } from "../../shared/tokenizer.ts";
import { editJson } from "../io/edit-json.ts";
import { EMBEDDING, HEAD, parameterSpecs } from "../model/parameters.ts";
import { loadConfig } from "./model-config.ts";
import { modelFile } from "./model-files.ts";
import { loadTokenizer } from "./model-folder.ts";
import { readTokenizerConfig } from "./read-tokenizer-config.ts";
import { writeSafetensors } from "./safetensors.ts";
import { openT5Tensors } from "./t5-tensors.ts";
import { tokenizerConfigText } from "./tokenizer-config.ts";

/** Rows are added in multiples of so many. */
const ROW_STEP = 8;

export interface Extension {
  /** The new characters and their ids. */
  ids: ReadonlyMap<string, number>;
  /** Rows of the embedding before and after. */
  rows: { before: number; after: number };
}

/**
 * Writes the model of `baseDir` with these characters to `dir`, float32. A new row is the mean of the rows of the tokens that stand beside
 * its character in `texts`, each as often as it does: a word in the same company as the character, so that the model starts with a likely
 * reading of it, and its logit with the mean of its neighbours'. A character that is not in `texts` gets the mean of the single-character
 * pieces. Throws ArtifactError for a tokenizer that cannot be extended.
 */
export async function extendModel(
  baseDir: string,
  dir: string,
  characters: readonly string[],
  texts: Iterable<string>,
): Promise<Extension> {
  const config = await loadConfig(baseDir);
  const tokenizer = await loadTokenizer(baseDir, config);
  const { json, ids } = withCharacters(tokenizer.json, characters, join(baseDir, "tokenizer.json"));
  const extended = createTokenizer(json, tokenizer.configJson);
  const after = Math.max(config.vocabSize, Math.ceil(extended.size / ROW_STEP) * ROW_STEP);
  const neighbours = neighboursOf(extended, ids, texts, singleCharacters(tokenizer));
  const reader = await openT5Tensors(baseDir, config);
  try {
    await mkdir(dir, { recursive: true });
    const specs = parameterSpecs({ ...config, vocabSize: after }, reader.head === HEAD);
    const tensors = specs.map(({ name, shape }) => ({
      name,
      shape,
      data: async (): Promise<Float32Array> => {
        const values = await reader.readFloat32(name);
        return name === EMBEDDING || name === HEAD ? withRows(values, after, config.dModel, neighbours) : values;
      },
    }));
    const configText = await readFile(await modelFile(baseDir, "config.json"), "utf8");
    await writeFileAtomic(join(dir, "config.json"), editJson(configText, { vocab_size: after }));
    await writeFileAtomic(join(dir, "tokenizer.json"), JSON.stringify(json));
    const tokenizerText = tokenizerConfigText(await readTokenizerConfig(baseDir));
    await writeFileAtomic(join(dir, "tokenizer_config.json"), tokenizerText);
    for (const file of ["generation_config.json", "special_tokens_map.json"]) {
      const original = await modelFile(baseDir, file);
      if (existsSync(original)) await writeFileAtomic(join(dir, file), await readFile(original));
    }
    await writeSafetensors(join(dir, "model.safetensors"), tensors);
  } finally {
    await reader.close();
  }
  return { ids, rows: { before: config.vocabSize, after } };
}

/** For each new id, the known ids beside it and how often. */
function neighboursOf(
  tokenizer: TextTokenizer,
  ids: ReadonlyMap<string, number>,
  texts: Iterable<string>,
  otherwise: readonly number[],
): Map<number, Map<number, number>> {
  const neighbours = new Map([...ids.values()].map((id) => [id, new Map<number, number>()]));
  const characters = [...ids.keys()];
  for (const text of texts) {
    if (!characters.some((character) => text.includes(character))) continue;
    const tokens = tokenizer.encode(text);
    tokens.forEach((id, i) => {
      const own = neighbours.get(id);
      if (own === undefined) return;
      for (const beside of [tokens[i - 1], tokens[i + 1]])
        if (beside !== undefined && !neighbours.has(beside)) own.set(beside, (own.get(beside) ?? 0) + 1);
    });
  }
  for (const own of neighbours.values()) if (own.size === 0) for (const id of otherwise) own.set(id, 1);
  return neighbours;
}

/** Ids of printable ASCII characters that are pieces. */
function singleCharacters(tokenizer: TextTokenizer): number[] {
  const ids = Array.from({ length: 94 }, (_, i) => tokenizer.encode(`a${String.fromCharCode(33 + i)}`).slice(0, -1));
  return ids.flatMap((tokens) => tokens.at(-1) ?? []).filter((id) => id !== tokenizer.unknownTokenId);
}

/** The table `[rows, width]` with `after` rows, the new ids' rows set to the means of their neighbours'; other new rows are zero. */
function withRows(
  values: Float32Array,
  after: number,
  width: number,
  neighbours: ReadonlyMap<number, ReadonlyMap<number, number>>,
): Float32Array {
  const table = new Float32Array(after * width);
  table.set(values);
  for (const [id, own] of neighbours) {
    const sum = new Float64Array(width);
    let total = 0;
    for (const [beside, count] of own) {
      total += count;
      for (let i = 0; i < width; i++) sum[i] = (sum[i] ?? 0) + count * (values[beside * width + i] ?? 0);
    }
    for (let i = 0; i < width; i++) table[id * width + i] = (sum[i] ?? 0) / Math.max(1, total);
  }
  return table;
}
