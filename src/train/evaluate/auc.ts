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
