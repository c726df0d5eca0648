// Greedy solutions of held-out problems by a model folder: the progress of an online run in problems solved.

import { policyPrompt } from "../../../shared/prompts.ts";
import type { EvaluationItem } from "../../data/problems/items.ts";
import { checkText } from "../../evaluate/check-text.ts";
import { completeGreedily } from "../../onnx/decode/onnx-generate.ts";
import { loadConfig } from "../../store/model-config.ts";
import { loadTokenizer } from "../../store/model-folder.ts";

const MAX_NEW_TOKENS = 192;

/** Share of the items solved: exactly where a worked solution is known, else by the answer. */
export async function solvedGreedily(
  modelDir: string,
  items: readonly EvaluationItem[],
  signal?: AbortSignal,
): Promise<number> {
  const tokenizer = await loadTokenizer(modelDir, await loadConfig(modelDir));
  const ids = items.map(({ prompt }) => tokenizer.encode(policyPrompt(prompt)));
  const rows = await completeGreedily(modelDir, ids, { maxNewTokens: MAX_NEW_TOKENS, ...(signal && { signal }) });
  const solved = items.filter((item, i) => {
    const { exact, answerCorrect } = checkText(item, tokenizer.decode(rows[i] ?? []));
    return exact ?? answerCorrect ?? false;
  });
  return solved.length / Math.max(1, items.length);
}
