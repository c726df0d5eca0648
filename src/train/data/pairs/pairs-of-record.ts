// The view of preference training: what a record gives of pairs, or of solutions that pairs are made from later.

import { badRecord } from "../bad-record.ts";
import { givenScores } from "../formats/given-scores.ts";
import type { Parsed } from "../formats/parsed.ts";
import { prm800kPairs } from "../formats/prm800k.ts";
import { cleanPair, type LabelledPair } from "../labelled-pair.ts";
import { joinSteps, type StepLabel, shareLabels } from "../labelled-solution.ts";

/** One solution of a prompt; `isGood` where it was judged as a whole, else its labels say. */
export interface SolutionRow {
  prompt: string;
  steps: string[];
  labels: StepLabel[];
  isGood?: boolean;
}

export interface PairsOfRecord {
  /** Not yet cleaned: a record may hold several, of which one is bad. */
  pairs: (() => LabelledPair)[];
  row?: SolutionRow;
}

/** Throws InputError with the reason as its code; `no_pair` for a record that holds no preference. */
export function pairsOfRecord(parsed: Parsed, format: string): PairsOfRecord {
  switch (parsed.kind) {
    case "pair":
      return { pairs: [() => cleanPair(withScores(parsed.pair, parsed.scored))] };
    case "prm800k":
      return { pairs: prm800kPairs(parsed.record).map((pair) => () => cleanPair(pair)) };
    case "solution":
      return { pairs: [], row: checkRow({ prompt: parsed.prompt, ...shareLabels(parsed.texts, parsed.labels) }) };
    case "judged": {
      const steps = joinSteps([parsed.completion]).split("\n");
      const labels = steps.map((): StepLabel => undefined);
      return { pairs: [], row: checkRow({ prompt: parsed.prompt, steps, labels, isGood: parsed.isGood }) };
    }
    case "rollout":
      throw badRecord(
        "no_pair",
        "a rollout holds samples, not pairs: train on the pairs that npm run rollout wrote beside it",
      );
    case "problem":
      throw badRecord("no_pair", `read as ${format}: a problem, and no two answers to it`);
  }
}

/** Fields in the order that train.jsonl has them: texts, scores, labels, prefix. */
function withScores(pair: LabelledPair, scored: Record<string, unknown>): LabelledPair {
  const { prompt, chosen, rejected, ...beside } = pair;
  const { prefix, unfinished, ...labels } = beside;
  return {
    ...{ prompt, chosen, rejected, ...givenScores(scored), ...labels },
    ...(prefix !== undefined && { prefix }),
    ...(unfinished !== undefined && { unfinished }),
  };
}

function checkRow(row: SolutionRow): SolutionRow {
  const prompt = row.prompt.replace(/\r\n?/g, "\n").trim();
  if (prompt === "") throw badRecord("empty_prompt", "the prompt is empty");
  if (row.steps.every((step) => step === "")) throw badRecord("no_steps", "the solution has no step");
  return { ...row, prompt };
}
