// Rows of token ids below 93, for the golden models.

/** `length` ids that follow from the seed, and EOS. */
export const row = (seed: number, length: number): number[] => [
  ...Array.from({ length }, (_, i) => ((i * 17 + seed * 29) % 90) + 3),
  1,
];
