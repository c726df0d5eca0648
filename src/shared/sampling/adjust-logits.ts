// What the tokens written so far, and the caller's wishes, make of the next token's logits, before one is chosen. In the order and with
// the arithmetic of Hugging Face's logits processors; frequency and presence penalty, which it lacks, as at OpenAI:
// https://platform.openai.com/docs/guides/advanced-usage#frequency-and-presence-penalties

export interface LogitSettings {
  /** Added to the logits of these ids. */
  logitBias?: ReadonlyMap<number, number> | undefined;
  /** > 0; 1 changes nothing. Above 1, ids seen before become less likely (Keskar et al. 2019, arXiv:1909.05858). */
  repetitionPenalty?: number | undefined;
  /** Taken from an id's logit as often as it was written; 0 changes nothing. */
  frequencyPenalty?: number | undefined;
  /** Taken once from the logit of every id that was written; 0 changes nothing. */
  presencePenalty?: number | undefined;
  /** No so many ids in a row occur twice; 0 allows all. */
  noRepeatNgramSize?: number | undefined;
  /** No end before so many new tokens. */
  minNewTokens?: number | undefined;
}

/** What is known of a row. */
export interface Written {
  /** The decoder's start token, which counts as seen but not as written. */
  startId: number;
  /** Ids of the completion so far. */
  ids: readonly number[];
  /** How many of them are new, not forced. */
  newTokens: number;
  /** EOS, and other ids that end the row. */
  endIds: readonly number[];
}

/** The logits that the next token is chosen from: `logits` itself where nothing changes, else a copy. */
export function adjustLogits(logits: Float32Array, written: Written, settings: LogitSettings): Float32Array {
  const { logitBias, repetitionPenalty = 1, frequencyPenalty = 0, presencePenalty = 0 } = settings;
  const { noRepeatNgramSize = 0, minNewTokens = 0 } = settings;
  const isEndEarly = written.newTokens < minNewTokens;
  const penalizes = repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0;
  if (!penalizes && noRepeatNgramSize === 0 && !isEndEarly && (logitBias?.size ?? 0) === 0) return logits;
  const adjusted = logits.slice();
  const seen = [written.startId, ...written.ids];
  for (const [id, bias] of logitBias ?? []) if (id in adjusted) adjusted[id] = (adjusted[id] ?? 0) + bias;
  if (repetitionPenalty !== 1) penalizeRepetition(adjusted, seen, repetitionPenalty);
  penalizeFrequency(adjusted, written.ids, { frequencyPenalty, presencePenalty });
  for (const id of endsOfNgram(seen, noRepeatNgramSize)) adjusted[id] = Number.NEGATIVE_INFINITY;
  if (isEndEarly) for (const id of written.endIds) adjusted[id] = Number.NEGATIVE_INFINITY;
  return adjusted;
}

/** Lowers, in place, the logits of ids seen already, each once: positive ones are divided by `penalty`, negative ones multiplied. */
function penalizeRepetition(logits: Float32Array, seen: Iterable<number>, penalty: number): void {
  for (const id of new Set(seen)) {
    const logit = logits[id] ?? 0;
    logits[id] = logit > 0 ? logit / penalty : logit * penalty;
  }
}

function penalizeFrequency(
  logits: Float32Array,
  ids: readonly number[],
  { frequencyPenalty, presencePenalty }: { frequencyPenalty: number; presencePenalty: number },
): void {
  if (frequencyPenalty === 0 && presencePenalty === 0) return;
  const counts = new Map<number, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  for (const [id, count] of counts) logits[id] = (logits[id] ?? 0) - count * frequencyPenalty - presencePenalty;
}

/** Ids that would complete an n-gram that `seen` holds already. */
function endsOfNgram(seen: readonly number[], size: number): Set<number> {
  const ends = new Set<number>();
  if (size === 0 || seen.length + 1 < size) return ends;
  const open = seen.length - (size - 1);
  for (let start = 0; start + size <= seen.length; start++) {
    const end = seen[start + size - 1];
    let isSame = true;
    for (let i = 0; isSame && i < size - 1; i++) isSame = seen[start + i] === seen[open + i];
    if (isSame && end !== undefined) ends.add(end);
  }
  return ends;
}
