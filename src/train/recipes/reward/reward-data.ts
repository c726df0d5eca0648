// From data paths to tokens with labels: read, keep evaluation apart by question, tokenize, and count everything that was left out.

import { createHash } from "node:crypto";
import { InputError } from "../../../shared/errors.ts";
import { layoutSolution } from "../../../shared/process-reward.ts";
import { createRng } from "../../../shared/rng.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import type { TextTokenizer } from "../../../shared/tokenizer.ts";
import type { Dropped } from "../../data/files/raw-record.ts";
import type { LabelledSolution } from "../../data/labelled-solution.ts";
import { labelFiles, readStepLabels } from "../../data/labels/read-labels.ts";
import { normalisePrompt } from "../../data/pairs/normalise-prompt.ts";
import type { RewardConfig } from "./config.ts";
import { withDivergences } from "./divergence.ts";
import type { LabelledTokens } from "./solution-targets.ts";

export interface RewardData {
  train: LabelledTokens[];
  eval: LabelledTokens[];
  /** Labelled steps to train on, and the right ones among them. */
  steps: { labelled: number; right: number; unlabelled: number };
  /** Left out of training and evaluation, by reason. */
  dropped: Record<string, number>;
  /** The first records that were left out. */
  droppedRecords: Dropped[];
  /** sha256 of the training data: a resumed run must see the same. */
  hash: string;
}

const MAX_LISTED = 3;

/** Reads and tokenizes. Throws InputError when nothing is left to train on. */
export async function loadRewardData(
  config: RewardConfig,
  model: T5Config,
  tokenizer: TextTokenizer,
): Promise<RewardData> {
  const dropped: Record<string, number> = {};
  const droppedRecords: Dropped[] = [];
  const drop = (reason: string, count = 1): void => {
    if (count > 0) dropped[reason] = (dropped[reason] ?? 0) + count;
  };
  const read = async (path: string): Promise<LabelledSolution[]> => {
    const labels = await readStepLabels(path);
    for (const record of labels.dropped) {
      drop(record.reason);
      if (droppedRecords.length < MAX_LISTED) droppedRecords.push(record);
    }
    return labels.solutions;
  };
  const files = await Promise.all(config.data.map(labelFiles));
  const train: LabelledSolution[] = [];
  for (const file of files) train.push(...(await read(file.train)));
  const evalFiles =
    config.evalData === null
      ? files.flatMap((file) => file.eval ?? [])
      : [await labelFiles(config.evalData).then((found) => found.eval ?? found.train)];
  const given: LabelledSolution[] = [];
  for (const file of evalFiles) given.push(...(await read(file)));
  const split = given.length > 0 ? withoutQuestionsOf(given, train) : splitOff(train, config);
  drop("question is in the evaluation set", split.overlap);
  const tokenize = (solutions: readonly LabelledSolution[]): LabelledTokens[] =>
    solutions.flatMap(({ prompt, steps, labels }) => {
      const tokens = layoutSolution(
        tokenizer,
        model,
        prompt,
        steps.map((text) => ({ text })),
      );
      const tooLong =
        tokens.promptIds.length > config.maxPromptLength
          ? `prompt longer than ${config.maxPromptLength} tokens`
          : tokens.decoderIds.length - 1 > config.maxCompletionLength
            ? `solution longer than ${config.maxCompletionLength} tokens`
            : undefined;
      if (tooLong === undefined) return [{ ...tokens, labels }];
      drop(tooLong);
      return [];
    });
  const data = { train: withDivergences(tokenize(split.train)), eval: tokenize(split.eval) };
  if (data.train.length === 0) {
    throw new InputError({
      code: "no_solutions",
      what: `no solution is left to train on; left out: ${JSON.stringify(dropped)}`,
      where: config.data.join(", "),
      fix: "Check the files, or raise --max-prompt-length or --max-completion-length.",
    });
  }
  const hash = createHash("sha256");
  for (const solution of data.train) hash.update(`${JSON.stringify(solution)}\n`);
  const labels = data.train.flatMap((solution) => [...solution.labels]);
  const labelled = labels.filter((label) => label !== undefined);
  return {
    ...data,
    steps: {
      labelled: labelled.length,
      right: labelled.filter((label) => label >= 0.5).length,
      unlabelled: labels.length - labelled.length,
    },
    dropped,
    droppedRecords,
    hash: hash.digest("hex"),
  };
}

interface Split {
  train: LabelledSolution[];
  eval: LabelledSolution[];
  /** Training solutions left out because their question is evaluated on. */
  overlap: number;
}

function withoutQuestionsOf(evaluation: LabelledSolution[], train: readonly LabelledSolution[]): Split {
  const held = new Set(evaluation.map(({ prompt }) => normalisePrompt(prompt)));
  const kept = train.filter(({ prompt }) => !held.has(normalisePrompt(prompt)));
  return { train: kept, eval: evaluation, overlap: train.length - kept.length };
}

/** Keeps a part of the questions, with all their solutions, for evaluation; a single question is trained on. */
function splitOff(
  train: LabelledSolution[],
  { evalFraction, seed }: Pick<RewardConfig, "evalFraction" | "seed">,
): Split {
  const questions = [...new Set(train.map(({ prompt }) => normalisePrompt(prompt)))];
  const wanted = evalFraction === 0 ? 0 : Math.max(1, Math.round(evalFraction * questions.length));
  const held = new Set(
    createRng(seed)
      .shuffle(questions)
      .slice(0, Math.min(wanted, questions.length - 1)),
  );
  const isHeld = ({ prompt }: LabelledSolution): boolean => held.has(normalisePrompt(prompt));
  return {
    train: train.filter((solution) => !isHeld(solution)),
    eval: train.filter(isHeld),
    overlap: 0,
  };
}
