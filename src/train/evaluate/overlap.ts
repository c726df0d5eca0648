// Whether problems of the evaluation were trained on: prompts are compared by the hash of their normalised form (case and white space
// aside). The training data are named on the command line, or by the configs that the models' own runs left (train_config.json, reward_config.json).

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { InputError, StepwiseError } from "../../shared/errors.ts";
import { isObject } from "../data/bad-record.ts";
import { openRecords } from "../data/files/open-records.ts";
import { isBroken } from "../data/files/raw-record.ts";
import { type ReadOptions, readOptions, readRecord } from "../data/formats/read-record.ts";
import { labelFiles } from "../data/labels/read-labels.ts";
import { normalisePrompt } from "../data/pairs/normalise-prompt.ts";
import { readJson } from "../io/read-json.ts";

/** A file that was trained on, and the files whose problems the run kept out of it. */
export interface TrainingFile {
  path: string;
  heldOut: string[];
  /** How the run read its records, where it said so. */
  reading?: ReadOptions;
}

const text = z.string().nullish();
const pairConfigSchema = z.object({ data: z.string().min(1), format: text, columns: text, chat_template: text });
const onlineConfigSchema = z.object({ problem_source: z.string().min(1) });
const rewardConfigSchema = z.object({ data: z.array(z.string().min(1)), eval_data: z.string().nullish() });

export interface Overlap {
  training_data: string[];
  training_prompts: number;
  prompts: number;
}

function promptHash(prompt: string): string {
  return createHash("sha256").update(normalisePrompt(prompt)).digest("hex");
}

/** The prompt of a training record, in whatever format; undefined when it has none. */
function promptOf(value: unknown, reading: ReadOptions = {}): string | undefined {
  try {
    const { parsed } = readRecord(value, reading);
    if (parsed.kind === "prm800k") return parsed.record.question.problem;
    return parsed.kind === "pair" ? parsed.pair.prompt : parsed.prompt;
  } catch (error) {
    // a record that is no use for training may still tell its prompt
    if (!(error instanceof StepwiseError) || !isObject(value)) return undefined;
    const { prompt, question, problem, input } = value;
    if (typeof input === "string") return input.split(/Step 1\s*:/)[0];
    const nested = isObject(question) ? question.problem : question;
    return [prompt, nested, problem].find((text): text is string => typeof text === "string");
  }
}

/** Trained on by the runs that made these model folders, as far as they say so; `missing` is no longer there. */
export async function trainingDataOf(
  modelDirs: readonly string[],
): Promise<{ found: TrainingFile[]; missing: string[] }> {
  const found = new Map<string, TrainingFile>();
  const missing = new Set<string>();
  const add = async (data: string, files: () => Promise<TrainingFile>): Promise<void> => {
    if (!existsSync(data)) missing.add(data);
    else await files().then((file) => found.set(file.path, file));
  };
  for (const dir of modelDirs) {
    const pairs = pairConfigSchema.safeParse(await configOf(join(dir, "train_config.json"))).data;
    if (pairs !== undefined) {
      const { data, chat_template: chatTemplate, ...rest } = pairs;
      const reading = readOptions({ ...rest, chatTemplate });
      await add(data, async () => ({
        path: await pairFile(data),
        heldOut: [],
        ...(Object.keys(reading).length > 0 && { reading }),
      }));
    }
    // problems of an online run: a file's (those of the built-in split are no held-out ones), and what its rounds sampled
    const online = onlineConfigSchema.safeParse(await configOf(join(dir, "online_config.json"))).data;
    const source = online?.problem_source;
    if (source !== undefined && source !== "preference")
      await add(source, async () => ({ path: await pairFile(source), heldOut: [] }));
    const reward = rewardConfigSchema.safeParse(await configOf(join(dir, "reward_config.json"))).data;
    for (const data of reward?.data ?? []) {
      await add(data, async () => {
        const files = await labelFiles(data);
        const heldOut = [reward?.eval_data ?? files.eval].filter((path) => path !== undefined && existsSync(path));
        return { path: files.train, heldOut: heldOut.flatMap((path) => path ?? []) };
      });
    }
  }
  return { found: [...found.values()], missing: [...missing] };
}

async function configOf(path: string): Promise<unknown> {
  return existsSync(path) ? readJson(path, { fix: "Restore the file." }) : undefined;
}

async function pairFile(data: string): Promise<string> {
  if (!(await stat(data)).isDirectory()) return data;
  // a round of an online run has its samples in place of pairs
  const [pairs, samples] = [join(data, "train.jsonl"), join(data, "rollouts.jsonl")];
  return existsSync(pairs) || !existsSync(samples) ? pairs : samples;
}

/** Named training data: files, or folders with train.jsonl or steps.jsonl. Throws InputError for what is not there. */
export async function namedTrainingData(paths: readonly string[]): Promise<TrainingFile[]> {
  const files: TrainingFile[] = [];
  for (const path of paths) {
    const info = await stat(path).catch((cause: unknown) => {
      const fix = "Check --training-data.";
      throw new InputError({ code: "data_not_found", what: "there is no such training data", where: path, fix, cause });
    });
    const own = info.isDirectory() ? ["train.jsonl", "steps.jsonl"].map((file) => join(path, file)) : [path];
    files.push(...own.filter((file) => existsSync(file)).map((file) => ({ path: file, heldOut: [] })));
  }
  return files;
}

async function promptHashes(path: string, reading?: ReadOptions): Promise<Set<string>> {
  const hashes = new Set<string>();
  for await (const item of openRecords(path)) {
    const prompt = isBroken(item) ? undefined : promptOf(item.value, reading);
    if (prompt !== undefined) hashes.add(promptHash(prompt));
  }
  return hashes;
}

/** Compares prompts with training files. Throws InputError `overlap` where any is shared and `allow` is not set. */
export async function checkOverlap(
  prompts: readonly string[],
  trainingFiles: readonly TrainingFile[],
  allow: boolean,
): Promise<Overlap> {
  const trained = new Set<string>();
  for (const { path, heldOut, reading } of trainingFiles) {
    const kept = await Promise.all(heldOut.map((file) => promptHashes(file)));
    for (const hash of await promptHashes(path, reading)) if (!kept.some((held) => held.has(hash))) trained.add(hash);
  }
  const training_data = trainingFiles.map(({ path }) => path);
  const shared = prompts.filter((prompt) => trained.has(promptHash(prompt)));
  if (shared.length > 0 && !allow) {
    throw new InputError({
      code: "overlap",
      what: `${shared.length} of ${prompts.length} evaluation problems were trained on, the first: ${JSON.stringify((shared[0] ?? "").slice(0, 80))}`,
      where: training_data.join(", "),
      fix: "Evaluate on other problems, or pass --allow-overlap.",
    });
  }
  return { training_data, training_prompts: trained.size, prompts: shared.length };
}
