// Workers that sample and score in place of this machine: the same model, exported, asked over HTTP. A sample follows from seed, stream and
// number alone, there as here; what differs is the rounding of the exported weights.

import pLimit from "p-limit";
import { type Aggregation, aggregateScores } from "../../../shared/aggregate.ts";
import { InputError } from "../../../shared/errors.ts";
import type { SampleAsk } from "../../../shared/sample-ask.ts";
import { splitSteps } from "../../../shared/steps.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import type { TextTokenizer } from "../../../shared/tokenizer.ts";
import { GREEDY, type OnnxGenerator } from "../../onnx/decode/onnx-generate.ts";
import type { Scorer } from "../../reward/scoring/scoring-processes.ts";

export interface Fleet {
  /** Names the models and their weights. */
  policy: string;
  rewardModel: string;
  /** Whether that is a process reward model, and no judge. */
  isProcess: boolean;
  /** Requests at a time. */
  places: number;
  /** Ids of one sample, the end token included where it was drawn. */
  sample(ask: SampleAsk): Promise<number[]>;
  stepScores(prompt: string, completions: readonly string[]): Promise<number[][]>;
}

/** A generator whose rows the fleet writes. Throws InputError for ids that no text has. */
export function fleetGenerator(fleet: Fleet, tokenizer: TextTokenizer, config: T5Config): OnnxGenerator {
  const limit = pLimit(fleet.places);
  return {
    config,
    async generate(inputIds, options) {
      const { samples = 1, sampling = GREEDY, seed = 42, maxNewTokens, prefixes, streams } = options;
      let done = 0;
      const all = inputIds.map(async (ids, p) => {
        const prompt = textOf(tokenizer, ids);
        const forced = prefixes?.[p] ?? [];
        const prefix = forced.length === 0 ? "" : tokenizer.decode(forced);
        const stream = (streams?.[p] ?? p) >>> 0;
        const rows = Array.from({ length: samples }, (_, sample) =>
          limit(() => {
            options.signal?.throwIfAborted();
            const stopTokenIds = options.stopTokenIds ?? [];
            const shared = { prompt, prefix, maxNewTokens, sampling, stopTokenIds };
            return fleet.sample({ ...shared, seed: seed >>> 0, stream, sample });
          }),
        );
        const written = await Promise.all(rows);
        options.onProgress?.(++done);
        return written;
      });
      return Promise.all(all);
    },
    async dispose() {},
  };
}

/** A prompt's text; workers take texts, not ids. */
function textOf(tokenizer: TextTokenizer, ids: readonly number[]): string {
  const text = tokenizer.decode(ids);
  const again = tokenizer.encode(text);
  if (again.length === ids.length && again.every((id, at) => id === ids[at])) return text;
  throw new InputError({
    code: "no_text",
    what: `a prompt is no text that the tokenizer gives back: "${text.slice(0, 60)}"`,
    where: "--endpoint",
    fix: "Leave the prompt out, or sample on this machine.",
  });
}

/** Scores by the fleet's reward model. */
export function fleetScorer(fleet: Fleet, aggregation: Aggregation): Scorer {
  const limit = pLimit(fleet.places);
  return {
    processes: fleet.places,
    isProcess: fleet.isProcess,
    dispose() {},
    score: (completions) =>
      Promise.all(
        completions.map(({ prompt, completion }) =>
          limit(async () => {
            const [stepScores = []] = await fleet.stepScores(prompt, [completion]);
            const texts = splitSteps(completion).map(({ text }) => text);
            if (stepScores.length !== texts.length) throw new TypeError("the worker scored other steps than were sent");
            return { stepScores, score: aggregateScores(stepScores, aggregation) };
          }),
        ),
      ),
  };
}
