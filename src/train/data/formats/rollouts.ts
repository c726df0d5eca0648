// Rollouts of this project: a problem, its right solution, and sampled solutions with labels of their steps.

import { z } from "zod";
import { parseRecord } from "../bad-record.ts";
import { stepLabelSchema } from "../labelled-solution.ts";
import type { Format } from "./parsed.ts";

const labelList = z.array(stepLabelSchema);

const rolloutSchema = z.object({
  prompt: z.string(),
  gold: z.string().nullish(),
  answer: z.union([z.string(), z.number()]).transform(String).nullish(),
  samples: z.array(
    z.object({ completion: z.string(), step_labels: labelList.nullish(), soft_labels: labelList.nullish() }),
  ),
});

export const rolloutsFormat: Format = {
  name: "rollouts",
  matches: (record) => "samples" in record,
  parse(record) {
    const { prompt, gold, answer, samples } = parseRecord(rolloutSchema, record);
    return {
      kind: "rollout",
      prompt,
      gold: gold ?? undefined,
      answer: answer ?? undefined,
      samples: samples.map(({ completion, step_labels, soft_labels }) => ({
        completion,
        stepLabels: step_labels ?? undefined,
        softLabels: soft_labels ?? undefined,
      })),
    };
  },
};
