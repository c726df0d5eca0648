// The vocabulary of a run: what it loses of the data is told, and on request characters get tokens of their own, on a copy of the base model
// that the run starts from.

import { join } from "node:path";
import type { Pair } from "../../../shared/records.ts";
import { commonestFirst, type UnknownCharacters } from "../../../shared/unknown-characters.ts";
import { loadPairs } from "../../data/pairs/load-pairs.ts";
import { checkUnknown, describeUnknown, unknownInPairs } from "../../data/pairs/vocabulary-report.ts";
import { extendModel } from "../../store/extend-model.ts";
import { loadConfig } from "../../store/model-config.ts";
import { loadTokenizer } from "../../store/model-folder.ts";
import type { TrainConfig } from "./config.ts";
import { pairOptions } from "./data.ts";

/** The copy of the base model, in the run's folder. */
const EXTENDED_FOLDER = "base_with_tokens";

/** At most so many characters of the data get tokens: what is rarer than the 256 commonest is no alphabet that training would learn. */
const MAX_ADDED = 256;

/**
 * Folder of the model that the run starts from: `baseDir`, or a copy with more tokens. Throws InputError for unknown tokens where the
 * config is strict, ArtifactError for a tokenizer that cannot be extended.
 */
export async function prepareVocabulary(
  config: TrainConfig,
  baseDir: string,
  log: (line: string) => void,
): Promise<string> {
  const { pairs } = await loadPairs(config.data, "train", pairOptions(config));
  const before = await countUnknown(baseDir, pairs);
  for (const line of describeUnknown(before)) log(line);
  if (config.addTokens === null) {
    if (config.strictVocabulary) checkUnknown(before, config.data);
    return baseDir;
  }
  const characters =
    config.addTokens === "auto"
      ? commonestFirst(before.characters)
          .slice(0, MAX_ADDED)
          .map(([character]) => character)
      : [...new Set(config.addTokens.replace(/\s/g, ""))];
  const dir = join(config.outputDir, EXTENDED_FOLDER);
  const texts = pairs.flatMap(({ prompt, prefix = "", chosen, rejected }) => [prompt, prefix, chosen, rejected]);
  const { ids, rows } = await extendModel(baseDir, dir, characters, texts);
  const grown = rows.after > rows.before ? `; the embedding grew from ${rows.before} to ${rows.after} rows` : "";
  log(`added tokens: ${ids.size === 0 ? "none" : [...ids.keys()].join(" ")} -> ${dir}${grown}`);
  const after = await countUnknown(dir, pairs);
  for (const line of describeUnknown(after)) log(line);
  if (config.strictVocabulary) checkUnknown(after, config.data);
  return dir;
}

async function countUnknown(dir: string, pairs: readonly Pair[]): Promise<UnknownCharacters> {
  return unknownInPairs(pairs, await loadTokenizer(dir, await loadConfig(dir)));
}
