// Area under the ROC curve: the chance that a positive outscores a negative, ties counting half (Mann-Whitney U / (n+ n-)).

/** NaN when one class is empty. */
export function auc(scores: readonly number[], labels: readonly boolean[]): number {
  const order = scores.map((_, i) => i).sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0));
  let positives = 0;
  let rankSum = 0;
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && scores[order[end] ?? 0] === scores[order[start] ?? 0]) end++;
    const rank = (start + 1 + end) / 2; // mean of the 1-based ranks of the tie
    for (let i = start; i < end; i++) {
      if (labels[order[i] ?? 0]) {
        positives++;
        rankSum += rank;
      }
    }
    start = end;
  }
  const negatives = labels.length - positives;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/**
 * The same with observation i counting `weights[units[i]]` times; sorts once, so that many resamples cost little.
 * NaN when one class is empty.
 */
export function weightedAuc(
  scores: readonly number[],
  labels: readonly boolean[],
  units: readonly number[],
): (weights: ArrayLike<number>) => number {
  const order = scores.map((_, i) => i).sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0));
  const unit = Int32Array.from(order, (i) => units[i] ?? 0);
  const positive = Uint8Array.from(order, (i) => (labels[i] ? 1 : 0));
  const startsTie = Uint8Array.from(order, (i, rank) =>
    rank === 0 || scores[i] !== scores[order[rank - 1] ?? 0] ? 1 : 0,
  );
  return (weights) => {
    let positives = 0;
    let negatives = 0;
    let won = 0;
    let tiePositives = 0;
    let tieNegatives = 0;
    const closeTie = (): void => {
      won += tiePositives * (negatives + tieNegatives / 2);
      positives += tiePositives;
      negatives += tieNegatives;
      tiePositives = 0;
      tieNegatives = 0;
    };
    for (let rank = 0; rank < unit.length; rank++) {
      if (startsTie[rank] === 1) closeTie();
      const weight = weights[unit[rank] ?? 0] ?? 0;
      if (positive[rank] === 1) tiePositives += weight;
      else tieNegatives += weight;
    }
    closeTie();
    return won / (positives * negatives);
  };
}
