// Whether problems of the evaluation were trained on: prompts are compared by the hash of their normalised form (case and white space
// aside). The training data are named on the command line, or by the train_config.json of the models' own runs.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../../shared/errors.ts";
import { normalisePrompt } from "../data/normalise-prompt.ts";
import { isObject, readRawRecords } from "../data/raw-records.ts";
import { readJson } from "../read-json.ts";

/** Files of a data folder that are trained on: of pairs, and of step labels. */
const TRAINING_FILES = ["train.jsonl", "steps.jsonl"];
const trainConfigSchema = z.object({ data: z.string().min(1) });

export interface Overlap {
  training_data: string[];
  training_prompts: number;
  prompts: number;
}

function promptHash(prompt: string): string {
  return createHash("sha256").update(normalisePrompt(prompt)).digest("hex");
}

/** The prompt of a training record, in whatever format; undefined when it has none. */
function promptOf(value: unknown): string | undefined {
  if (!isObject(value)) return undefined;
  const { prompt, question, problem, input } = value;
  if (typeof input === "string") return input.split(/Step 1\s*:/)[0];
  const nested = isObject(question) ? question.problem : question;
  return [prompt, nested, problem].find((text): text is string => typeof text === "string");
}

/** Data that the runs behind these model folders trained on, as far as they say so; `missing` is no longer there. */
export async function trainingDataOf(modelDirs: readonly string[]): Promise<{ found: string[]; missing: string[] }> {
  const named: string[] = [];
  for (const dir of modelDirs) {
    const path = join(dir, "train_config.json");
    if (!existsSync(path)) continue;
    const parsed = trainConfigSchema.safeParse(await readJson(path, { fix: "Restore the file." }));
    if (parsed.success) named.push(parsed.data.data);
  }
  const all = [...new Set(named)];
  return { found: all.filter((path) => existsSync(path)), missing: all.filter((path) => !existsSync(path)) };
}

async function trainingFiles(path: string): Promise<string[]> {
  const info = await stat(path).catch((cause: unknown) => {
    const fix = "Check --training-data.";
    throw new InputError({ code: "data_not_found", what: "there is no such training data", where: path, fix, cause });
  });
  if (!info.isDirectory()) return [path];
  return TRAINING_FILES.map((file) => join(path, file)).filter((file) => existsSync(file));
}

/**
 * Compares prompts with training data (files, or folders with train.jsonl or steps.jsonl).
 * Throws InputError `overlap` where any is shared and `allow` is not set.
 */
export async function checkOverlap(
  prompts: readonly string[],
  trainingData: readonly string[],
  allow: boolean,
): Promise<Overlap> {
  const trained = new Set<string>();
  for (const path of trainingData) {
    for (const file of await trainingFiles(path)) {
      for (const { value } of (await readRawRecords(file)).records) {
        const prompt = promptOf(value);
        if (prompt !== undefined) trained.add(promptHash(prompt));
      }
    }
  }
  const shared = prompts.filter((prompt) => trained.has(promptHash(prompt)));
  if (shared.length > 0 && !allow) {
    throw new InputError({
      code: "overlap",
      what: `${shared.length} of ${prompts.length} evaluation problems were trained on, the first: ${JSON.stringify((shared[0] ?? "").slice(0, 80))}`,
      where: trainingData.join(", "),
      fix: "Evaluate on other problems, or pass --allow-overlap.",
    });
  }
  return { training_data: [...trainingData], training_prompts: trained.size, prompts: shared.length };
}
