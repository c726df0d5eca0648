// Whether a score of 0.8 is right in 80 % of the cases: reliability bins of equal width, the expected calibration error
// (Guo et al. 2017, arXiv:1706.04599, eq. 3, for the score of "right") and the Brier score.

/** A bin [low, high), the last one closed; means are null when it is empty. */
export interface ReliabilityBin {
  low: number;
  high: number;
  count: number;
  mean_score: number | null;
  share_right: number | null;
}

/** The bin of a score in [0, 1]. */
export function reliabilityBin(score: number, bins: number): number {
  return Math.min(bins - 1, Math.floor(score * bins));
}

/** Scores in [0, 1] against labels, in `bins` bins of equal width. */
export function reliabilityBins(scores: readonly number[], labels: readonly boolean[], bins = 10): ReliabilityBin[] {
  const count = new Array<number>(bins).fill(0);
  const scoreSum = new Float64Array(bins);
  const rightSum = new Float64Array(bins);
  scores.forEach((score, i) => {
    const bin = reliabilityBin(score, bins);
    count[bin] = (count[bin] ?? 0) + 1;
    scoreSum[bin] = (scoreSum[bin] ?? 0) + score;
    rightSum[bin] = (rightSum[bin] ?? 0) + (labels[i] ? 1 : 0);
  });
  return count.map((n, bin) => ({
    low: bin / bins,
    high: (bin + 1) / bins,
    count: n,
    mean_score: n === 0 ? null : (scoreSum[bin] ?? 0) / n,
    share_right: n === 0 ? null : (rightSum[bin] ?? 0) / n,
  }));
}

/** Mean distance between a bin's mean score and its share of right ones, bins weighted by their size; NaN without observations. */
export function expectedCalibrationError(bins: readonly ReliabilityBin[]): number {
  const total = bins.reduce((sum, bin) => sum + bin.count, 0);
  const gaps = bins.map((bin) => bin.count * Math.abs((bin.mean_score ?? 0) - (bin.share_right ?? 0)));
  return gaps.reduce((sum, gap) => sum + gap, 0) / total;
}
