// What a process reward model reads at once: every solution once, those of one question side by side, in batches of like length.

import { layoutSolution, type SolutionTokens } from "../../../shared/process-reward.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import type { FolderTokenizer } from "../../store/model-folder.ts";
import { completionSteps } from "../completion-steps.ts";
import type { Completion } from "../judge/judge-questions.ts";

/** A solution to be scored, and the places in the caller's list that it answers. */
export interface Solution extends SolutionTokens {
  owners: number[];
}

/**
 * Batches of at most `maxBatchTokens` tokens, padding included, or of one solution. Throws InputError for a completion without steps.
 */
export function solutionBatches(
  completions: readonly Completion[],
  { tokenizer, config, maxBatchTokens }: { tokenizer: FolderTokenizer; config: T5Config; maxBatchTokens: number },
): Solution[][] {
  const solutions = inOrder(completions, tokenizer, config);
  const batches: Solution[][] = [];
  for (let start = 0; start < solutions.length; ) {
    const end = endOfBatch(solutions, start, maxBatchTokens);
    batches.push(solutions.slice(start, end));
    start = end;
  }
  return batches;
}

/** Scores of each batch's solutions, as a list for the completions. */
export function scoresOfCompletions(
  completions: readonly Completion[],
  batches: readonly { batch: readonly Solution[]; scores: readonly number[][] }[],
): number[][] {
  const all = new Array<number[]>(completions.length);
  for (const { batch, scores } of batches)
    batch.forEach(({ owners }, i) => {
      for (const owner of owners) all[owner] = [...(scores[i] ?? [])];
    });
  return all;
}

/** Distinct solutions, those of one question side by side, sorted by the longest solution: there padding costs most. */
function inOrder(completions: readonly Completion[], tokenizer: FolderTokenizer, config: T5Config): Solution[] {
  const rows = new Map<string, Solution>();
  completions.forEach(({ prompt, completion }, owner) => {
    const steps = completionSteps(completion, owner);
    const key = JSON.stringify([prompt, steps.map(({ text }) => text)]);
    const row = rows.get(key);
    if (row !== undefined) row.owners.push(owner);
    else rows.set(key, { ...layoutSolution(tokenizer, config, prompt, steps), owners: [owner] });
  });
  const longest = new Map<string, number>();
  const question = ({ promptIds }: Solution): string => promptIds.join(" ");
  for (const row of rows.values())
    longest.set(question(row), Math.max(longest.get(question(row)) ?? 0, row.decoderIds.length));
  const keyed = [...rows.values()].map((row) => ({ row, question: question(row) }));
  keyed.sort(
    (a, b) =>
      (longest.get(a.question) ?? 0) - (longest.get(b.question) ?? 0) ||
      a.row.promptIds.length - b.row.promptIds.length ||
      (a.question < b.question ? -1 : a.question > b.question ? 1 : 0),
  );
  return keyed.map(({ row }) => row);
}

/** As many rows as fit: at least one. */
function endOfBatch(rows: readonly Solution[], start: number, maxBatchTokens: number): number {
  let prompt = 0;
  let solution = 0;
  let end = start;
  for (; end < rows.length; end++) {
    prompt = Math.max(prompt, rows[end]?.promptIds.length ?? 0);
    solution = Math.max(solution, rows[end]?.decoderIds.length ?? 0);
    if (end > start && (end + 1 - start) * (prompt + solution) > maxBatchTokens) break;
  }
  return end;
}
