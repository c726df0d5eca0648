// A fake engine that writes a solution step by step, with steps whose score stands in them.

import type { GenerateOptions } from "../../src/edge/engine/generate.ts";
import { fakeEngine } from "./fake-engine.ts";

/** Candidates "5 a", "9 b" ... of the first step, then "8 c", then an answer; a step scores its first digit by 10. */
export function steppingEngine() {
  const generated: GenerateOptions[] = [];
  const engine = fakeEngine({
    async generate(options) {
      generated.push(options);
      const { prefix = "", candidates } = options;
      const step = prefix.split("\n").length - 1;
      const firsts = ["5 a\n", "9 b\n", "7 c\n", "6 d\n"];
      const made = Array.from({ length: candidates }, (_, row) => {
        const text = step === 0 ? (firsts[row % 4] ?? "") : step === 1 ? `${8 - row} e\n` : `A: ${5 * row}`;
        const isLast = step > 1;
        options.onToken?.({ candidate: row, id: 10 + row, text, logp: -0.5, special: false });
        if (isLast) options.onToken?.({ candidate: row, id: 1, text: "", logp: -0.25, special: true });
        return {
          ids: isLast ? [10 + row, 1] : [10 + row],
          tokenLogps: isLast ? [-0.5, -0.25] : [-0.5],
          tokenTexts: [],
          text: prefix + text,
          finishReason: isLast ? ("eos_token" as const) : ("stop_sequence" as const),
        };
      });
      return { model: "policy-model", promptTokens: 4, candidates: made };
    },
    async score({ completions, aggregation }) {
      const digit = (text: string): number => Number(/\d/.exec(text)?.[0] ?? 0) / 10;
      return {
        model: "reward-model",
        promptTokens: 9,
        completions: completions.map(({ steps }) => ({
          score: aggregation === "last" ? digit(steps.at(-1)?.text ?? "") : 0,
          steps: steps.map(({ text }) => ({ text, score: digit(text) })),
        })),
      };
    },
  });
  return { engine, generated };
}
