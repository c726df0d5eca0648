// Beam search as Hugging Face's `generate(num_beams=...)` does it, for one prompt: same candidates, same length penalty, same three rules
// of stopping, so that hypotheses and scores are those of transformers. GenerationMixin._beam_search of transformers 5.18:
// https://github.com/huggingface/transformers/blob/v5.18.0/src/transformers/generation/utils.py

import { logSumExp } from "../sampling.ts";

/**
 * When to stop: `true` once there are as many finished hypotheses as beams; `false` once the best running beam, at its length, is behind
 * all of them; "never" once it could not overtake them even at full length.
 */
export type EarlyStopping = boolean | "never";

export interface BeamSearchOptions {
  beams: number;
  maxNewTokens: number;
  /** A hypothesis' score is its log-prob divided by its length to this power: above 0 favours long ones. */
  lengthPenalty: number;
  earlyStopping: EarlyStopping;
  eosTokenId: number;
  vocabSize: number;
  /** Changes the log-probs of the next token, given the ids so far; may return its argument. */
  adjust?: ((logps: Float32Array, ids: readonly number[]) => Float32Array) | undefined;
  /** Whether the ids end a hypothesis, beside EOS. */
  isEnd?: ((ids: readonly number[]) => boolean) | undefined;
}

export interface Hypothesis {
  /** EOS included where it was reached. */
  ids: number[];
  /** Log-prob of each id under the model. */
  tokenLogps: number[];
  /** Sum of the (adjusted) log-probs, over the length to the power of the penalty. */
  score: number;
}

/** A step of the decoder: row `i` goes on from row `parents[i]` of the step before, with `tokens[i]`. */
export interface BeamStep {
  parents: readonly number[];
  tokens: readonly number[];
}

/** Yields steps, is sent their logits [B, V], returns the hypotheses, best first. */
export type BeamSearch = Generator<BeamStep, Hypothesis[], Float32Array>;

interface Beam {
  ids: number[];
  tokenLogps: number[];
  logp: number;
}

/** Searches for the best `beams` hypotheses. `startId` is the decoder's first token; the first step has one row. */
export function* beamSearch(startId: number, options: BeamSearchOptions): BeamSearch {
  const { beams, maxNewTokens, earlyStopping, eosTokenId, isEnd } = options;
  let running: Beam[] = [{ ids: [], tokenLogps: [], logp: 0 }];
  let finished: Hypothesis[] = [];
  let parents = [0];
  for (let length = 1; ; length++) {
    const logits = yield { parents, tokens: running.map(({ ids }) => ids.at(-1) ?? startId) };
    const candidates = likeliest(running, logits, options);
    const hasEnded = candidates.map(
      ({ beam: { ids } }) => length >= maxNewTokens || ids.at(-1) === eosTokenId || (isEnd?.(ids) ?? false),
    );
    const isFull = earlyStopping === true && finished.length === beams;
    // those after the first `beams` only stand in for candidates that have ended
    const ended = isFull ? [] : candidates.slice(0, beams).filter((_, at) => hasEnded[at]);
    finished = [...finished, ...ended.map(({ beam }) => hypothesisOf(beam, options))]
      .sort((a, b) => b.score - a.score)
      .slice(0, beams);
    const open = candidates.filter((_, at) => !hasEnded[at]).slice(0, beams);
    const [best] = open;
    if (best === undefined || isDone(best.beam, length, finished, options)) return finished;
    running = open.map(({ beam }) => beam);
    parents = open.map(({ parent }) => parent);
  }
}

function hypothesisOf({ ids, tokenLogps, logp }: Beam, { lengthPenalty }: BeamSearchOptions): Hypothesis {
  return { ids, tokenLogps, score: logp / ids.length ** lengthPenalty };
}

function isDone(best: Beam, length: number, finished: readonly Hypothesis[], options: BeamSearchOptions): boolean {
  const { beams, earlyStopping, lengthPenalty, maxNewTokens } = options;
  const worst = finished.at(-1);
  if (worst === undefined || finished.length < beams) return false;
  if (earlyStopping === true) return true;
  const bestLength = earlyStopping === "never" && lengthPenalty > 0 ? maxNewTokens : length;
  return best.logp / bestLength ** lengthPenalty <= worst.score;
}

/** The 2 * `beams` likeliest continuations of all beams: of those at most half end with EOS. */
function likeliest(
  running: readonly Beam[],
  logits: Float32Array,
  { beams, vocabSize, adjust }: BeamSearchOptions,
): { parent: number; beam: Beam }[] {
  const count = 2 * beams;
  const best: { parent: number; id: number; logp: number; tokenLogp: number }[] = [];
  for (const [parent, { ids, logp: before }] of running.entries()) {
    const row = logits.subarray(parent * vocabSize, (parent + 1) * vocabSize);
    const total = logSumExp(row);
    const logps = row.map((logit) => logit - total);
    const adjusted = adjust?.(logps, ids) ?? logps;
    for (let id = 0; id < vocabSize; id++) {
      const logp = Math.fround(before + (adjusted[id] ?? Number.NEGATIVE_INFINITY));
      const last = best[count - 1];
      if ((last !== undefined && !(logp > last.logp)) || logp === Number.NEGATIVE_INFINITY) continue;
      let place = Math.min(best.length, count - 1);
      for (; place > 0 && logp > (best[place - 1]?.logp ?? Infinity); place--) {
        const moved = best[place - 1];
        if (moved !== undefined) best[place] = moved;
      }
      best[place] = { parent, id, logp, tokenLogp: logps[id] ?? Number.NaN };
    }
  }
  return best.map(({ parent, id, logp, tokenLogp }) => {
    const from = running[parent];
    return {
      parent,
      beam: { ids: [...(from?.ids ?? []), id], tokenLogps: [...(from?.tokenLogps ?? []), tokenLogp], logp },
    };
  });
}
