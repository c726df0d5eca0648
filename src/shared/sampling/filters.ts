// Which tokens a draw may pick: filters in the order, and with the arithmetic, of Hugging Face's logits warpers: top-k, top-p, min-p,
// typical-p, each on what the one before left.

import { borderAt, keepUpTo, keepWhere, type Support, totalWeight } from "./support.ts";

/** Keeps the `k` likeliest. */
export function keepTopK(support: Support, k: number): void {
  if (k >= support.size) return;
  keepUpTo(
    support,
    borderAt(
      support,
      (count) => count >= k,
      () => 1,
    ),
  );
}

/** Keeps the smallest set of likeliest tokens whose probability reaches `p` (Holtzman et al. 2019, arXiv:1904.09751). */
export function keepTopP(support: Support, p: number): void {
  const enough = p * totalWeight(support);
  keepUpTo(
    support,
    borderAt(support, (mass) => mass >= enough),
  );
}

/** Keeps the tokens at least `p` times as likely as the likeliest (Nguyen et al. 2024, arXiv:2407.01082). */
export function keepMinP(support: Support, p: number): void {
  const { weights } = support;
  let most = 0;
  for (let at = 0; at < support.size; at++) most = Math.max(most, weights[at] ?? 0);
  keepWhere(support, (at) => (weights[at] ?? 0) >= p * most);
}

/**
 * Keeps the smallest set of tokens whose probability reaches `p`, those first whose surprise is nearest to the mean surprise, and those
 * that are as near as the last (Meister et al. 2022, arXiv:2202.00666).
 */
export function keepTypicalP(support: Support, p: number): void {
  const { weights, keys } = support;
  const total = totalWeight(support);
  const logTotal = Math.log(total);
  let entropy = 0;
  for (let at = 0; at < support.size; at++) {
    const weight = weights[at] ?? 0;
    if (weight > 0) entropy += (weight / total) * (logTotal + (keys[at] ?? 0));
  }
  for (let at = 0; at < support.size; at++) keys[at] = Math.abs(logTotal + (keys[at] ?? 0) - entropy);
  const border = keys[borderAt(support, (mass) => mass >= p * total).at] ?? 0;
  keepWhere(support, (at) => (keys[at] ?? 0) <= border);
}
