// Forced decoding: the log-probability that the policy gives to each token of a completion that is already written. Evaluation harnesses
// rank given answers by it. The decoder reads the completion at once, or in pieces where the vocabulary is large.

import { InputError } from "../../shared/errors.ts";
import { policyPrompt } from "../../shared/prompts.ts";
import { logSumExp } from "../../shared/sampling.ts";
import { encodeWithinLimit, MAX_CHARACTERS_PER_TOKEN } from "./encode.ts";
import { noPolicy } from "./generate.ts";
import type { Model } from "./model.ts";
import type { Job } from "./scheduler.ts";
import { type Cache, decodeStep, type Encoded, encodeSources, freeCache, freeEncoded } from "./t5.ts";
import type { UseListener } from "./used.ts";
import { bytesAPosition, checkWork, encoderSeconds, workingBytes } from "./work.ts";

export interface ForcedOptions extends UseListener {
  prompt: string;
  completion: string;
  /** The request's name of the completion. */
  field: string;
  /** Once aborted, the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

export interface ForcedTokens {
  /** The policy's name. */
  model: string;
  promptTokens: number;
  /** Ids of the completion, EOS included. */
  ids: number[];
  /** Natural-log probability of each id after those before it. */
  logps: number[];
  /** What each id adds to the text. */
  texts: string[];
}

/** Logits of one run of the decoder: 8 MB. */
const MAX_LOGITS = 2 ** 21;

/** Checks a request and makes a job of it. Throws InputError for a text above the model's limits, or too much work. */
export function forcedJob(
  model: Model,
  options: ForcedOptions,
  maxLogits = MAX_LOGITS,
): Job & { result(): ForcedTokens } {
  if (model.manifest.reward !== undefined) throw noPolicy(model);
  const { config } = model;
  const about = { what: "prompt", field: "prompt", fix: "Shorten it." };
  const source = encodeWithinLimit(model, policyPrompt(options.prompt), about);
  const characters = model.manifest.limits.max_target_tokens * MAX_CHARACTERS_PER_TOKEN;
  const ids = model.tokenizer.encode(options.completion.slice(0, characters + 1));
  if (ids.length > model.manifest.limits.max_target_tokens) throw tooLong(model, options.field, ids.length);
  checkWork(encoderSeconds(config, source.length + 2 * ids.length, 2), {
    what: `reading ${source.length} and ${ids.length} tokens`,
    field: options.field,
    fix: "Shorten it.",
  });
  const inputIds = [config.decoderStartTokenId, ...ids.slice(0, -1)];
  const piece = Math.max(1, Math.floor(maxLogits / config.vocabSize));
  const logps: number[] = [];
  let encoded: Encoded | undefined;
  let cache: Cache | undefined;
  return {
    bytes: (source.length + ids.length) * bytesAPosition(config),
    workingBytes: workingBytes(config, Math.max(source.length, ids.length)),
    get isDone() {
      return logps.length === ids.length;
    },
    hasWork: true,
    async advance() {
      if (encoded === undefined) {
        encoded = await encodeSources(model, [source]);
        return;
      }
      const start = logps.length;
      const part = inputIds.slice(start, start + piece);
      const decoded = await decodeStep(model, encoded, part, cache);
      cache = decoded.cache;
      for (const [at] of part.entries()) {
        const logits = decoded.logits.subarray(at * config.vocabSize, (at + 1) * config.vocabSize);
        logps.push((logits[ids[start + at] ?? 0] ?? Number.NaN) - logSumExp(logits));
      }
    },
    deliver: () => undefined,
    release() {
      freeCache(model, cache);
      if (encoded !== undefined) freeEncoded(model, encoded);
      const promptTokens = (encoded === undefined ? 0 : source.length) + logps.length;
      options.onUsed?.({ promptTokens, completionTokens: 0, steps: 0 });
    },
    result() {
      const upTo = ids.map((_, index) => model.tokenizer.decode(ids.slice(0, index + 1)));
      const texts = upTo.map((text, index) => text.slice(upTo[index - 1]?.length ?? 0));
      return { model: model.manifest.model, promptTokens: source.length, ids, logps, texts };
    },
  };
}

function tooLong({ manifest }: Model, field: string, length: number): InputError {
  return new InputError({
    code: "too_long",
    what: `${field} has ${length} tokens, the limit of model "${manifest.model}" is ${manifest.limits.max_target_tokens}`,
    where: `field "${field}"`,
    fix: "Shorten it.",
  });
}
