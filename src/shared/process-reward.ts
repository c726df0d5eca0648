// What a process reward model reads, and where it answers: the question goes through the encoder, the whole solution through the
// decoder once, and "yes" or "no" is read at the end of every step. Trainer, export and worker lay the tokens out here.
//
//   encoder:  question </s>
//   decoder:  <start> step 1 \n step 2 \n ... step n </s>
//   read at:                 ^         ^             ^     the token that ends a step: its newline, </s> for the last

import { z } from "zod";
import { ArtifactError, InputError } from "./errors.ts";
import { policyPrompt, TEMPLATE_VERSION } from "./prompts.ts";
import { onOneLine, type Step } from "./steps.ts";
import type { T5Config } from "./t5-config.ts";
import type { TextTokenizer } from "./tokenizer.ts";

/** Beside the weights of a model folder: says that it is a trained reward model. Without it a model is a zero-shot judge. */
export const REWARD_MODEL_FILE = "reward_model.json";

const rewardModelSchema = z.object({ type: z.literal("process"), template_version: z.literal(TEMPLATE_VERSION) });

/** What REWARD_MODEL_FILE holds. */
export type RewardModelFile = z.infer<typeof rewardModelSchema>;

/** The file's content for a model trained now. */
export const PROCESS_REWARD_MODEL: RewardModelFile = { type: "process", template_version: TEMPLATE_VERSION };

/** Parses reward_model.json. Throws ArtifactError naming the field: of another type, or made for another template. */
export function parseRewardModelFile(json: unknown, where = REWARD_MODEL_FILE): RewardModelFile {
  const parsed = rewardModelSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new ArtifactError({
    code: "bad_reward_model",
    what: `field "${issue?.path.join(".") ?? ""}": ${issue?.message ?? "invalid"}`,
    where,
    fix: "Train the reward model again: npm run train-reward.",
    cause: parsed.error,
  });
}

/**
 * Put after the steps of an unfinished solution, whose last step is then read at its newline, as in training, and not at the end of a whole
 * solution. The decoder looks back only, so that what it says makes no difference to the scores before it.
 */
export const NEXT_STEP = { text: "..." };

/** Token ids of a question and a solution, and where its steps end. */
export interface SolutionTokens {
  /** The encoder's input, ending in EOS. */
  promptIds: number[];
  /** The decoder's input: start token, solution, EOS. */
  decoderIds: number[];
  /** One a step: the position in `decoderIds` whose output judges it. */
  stepEnds: number[];
}

/**
 * Lays a question and the steps of a solution out. A line break inside a step counts as a space: it would end the step.
 * Throws InputError for a solution without steps, ArtifactError for a tokenizer that cannot tell lines apart.
 */
export function layoutSolution(
  tokenizer: TextTokenizer,
  config: Pick<T5Config, "decoderStartTokenId" | "eosTokenId">,
  prompt: string,
  steps: readonly Pick<Step, "text">[],
): SolutionTokens {
  if (steps.length === 0) {
    throw new InputError({ code: "no_steps", what: "a solution has no steps", fix: "Write one step a line." });
  }
  const lines = steps.map(({ text }) => onOneLine(text));
  const ids = tokenizer.encode(lines.join("\n"));
  const newline = newlineId(tokenizer, config);
  const stepEnds: number[] = [];
  ids.forEach((id, at) => {
    if (id === newline || at === ids.length - 1) stepEnds.push(at + 1);
  });
  if (stepEnds.length !== steps.length || ids.at(-1) !== config.eosTokenId) {
    throw new ArtifactError({
      code: "bad_tokenizer",
      what: `a solution of ${steps.length} steps has ${stepEnds.length} ends of steps as tokens`,
      fix: "Use a tokenizer with a newline token whose texts end in </s>; training and export add the newline to a stock one.",
    });
  }
  return {
    promptIds: tokenizer.encode(policyPrompt(prompt)),
    decoderIds: [config.decoderStartTokenId, ...ids],
    stepEnds,
  };
}

const newlineIds = new WeakMap<TextTokenizer, number>();

/** The id of "\n"; a tokenizer without one encodes it as nothing or as a space. */
function newlineId(tokenizer: TextTokenizer, config: Pick<T5Config, "eosTokenId">): number {
  const known = newlineIds.get(tokenizer);
  if (known !== undefined) return known;
  const between = tokenizer.encode("\n").filter((id) => id !== config.eosTokenId);
  const id = between.at(-1);
  if (id !== undefined && tokenizer.decode([id]) === "\n") {
    newlineIds.set(tokenizer, id);
    return id;
  }
  throw new ArtifactError({
    code: "bad_tokenizer",
    what: "the tokenizer has no newline token, so steps cannot be told apart",
    fix: "Use the tokenizer files that training or export wrote, which have one.",
  });
}
