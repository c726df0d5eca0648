// The vocabulary of a run: what it loses of the data is told, and on request characters get tokens of their own, on a copy of the base model
// that the run starts from. The copy lies under a temporary name until the run begins, so that a run that is refused costs an earlier one
// nothing that it stands on.

import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
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

/** The model that a run starts from. */
export interface StartModel {
  /** Where it lies now. */
  dir: string;
  /** Gives it its lasting name, once the run begins; returns where it lies then. */
  settle(): Promise<string>;
  /** Deletes what was written for a run that did not begin. */
  discard(): Promise<void>;
}

/** A model that stays where it is. */
export function unchangedStart(dir: string): StartModel {
  return { dir, settle: async () => dir, discard: async () => {} };
}

/**
 * The model that the run starts from: that of `baseDir`, or a copy with more tokens, which a run that goes on from a checkpoint takes as it
 * is. Throws InputError for unknown tokens where the config is strict, ArtifactError for a tokenizer that cannot be extended.
 */
export async function prepareVocabulary(
  config: TrainConfig,
  baseDir: string,
  { resumes, log }: { resumes: boolean; log: (line: string) => void },
): Promise<StartModel> {
  const { pairs } = await loadPairs(config.data, "train", pairOptions(config));
  const before = await countUnknown(baseDir, pairs);
  for (const line of describeUnknown(before)) log(line);
  if (config.addTokens === null) {
    if (config.strictVocabulary) checkUnknown(before, config.data);
    return unchangedStart(baseDir);
  }
  const settled = join(config.outputDir, EXTENDED_FOLDER);
  if (resumes && existsSync(join(settled, "model.safetensors"))) {
    await checkExtended(settled, { config, pairs, log });
    return unchangedStart(settled);
  }
  const characters =
    config.addTokens === "auto"
      ? commonestFirst(before.characters)
          .slice(0, MAX_ADDED)
          .map(([character]) => character)
      : [...new Set(config.addTokens.replace(/\s/g, ""))];
  const dir = `${settled}.${process.pid}.tmp`;
  const discard = (): Promise<void> => rm(dir, { recursive: true, force: true });
  const texts = pairs.flatMap(({ prompt, prefix = "", chosen, rejected }) => [prompt, prefix, chosen, rejected]);
  try {
    const { ids, rows } = await extendModel(baseDir, dir, characters, texts);
    const grown = rows.after > rows.before ? `; the embedding grew from ${rows.before} to ${rows.after} rows` : "";
    log(`added tokens: ${ids.size === 0 ? "none" : [...ids.keys()].join(" ")} -> ${settled}${grown}`);
    await checkExtended(dir, { config, pairs, log });
  } catch (error) {
    await discard();
    throw error;
  }
  const settle = async (): Promise<string> => {
    await rm(settled, { recursive: true, force: true });
    await rename(dir, settled);
    return settled;
  };
  return { dir, settle, discard };
}

async function checkExtended(
  dir: string,
  { config, pairs, log }: { config: TrainConfig; pairs: readonly Pair[]; log: (line: string) => void },
): Promise<void> {
  const after = await countUnknown(dir, pairs);
  for (const line of describeUnknown(after)) log(line);
  if (config.strictVocabulary) checkUnknown(after, config.data);
}

async function countUnknown(dir: string, pairs: readonly Pair[]): Promise<UnknownCharacters> {
  return unknownInPairs(pairs, await loadTokenizer(dir, await loadConfig(dir)));
}
