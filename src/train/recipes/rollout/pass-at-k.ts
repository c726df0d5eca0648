// pass@k: the chance that one of k samples is right, without bias from n of them (Chen et al. 2021, arXiv:2107.03374, equation 1).

/** 1 - C(n - right, k) / C(n, k), as a product so that nothing overflows. Needs k <= n. */
export function passAtK(n: number, right: number, k: number): number {
  if (n - right < k) return 1;
  let miss = 1;
  for (let i = n - right + 1; i <= n; i++) miss *= 1 - k / i;
  return 1 - miss;
}
