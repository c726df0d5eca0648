// The sum over a vocabulary of exp(value - top), once for every token that is written: Math.exp takes most of the time that choosing a
// token takes. Here exp(x) is a table's exp(-m ln2/256) times a cubic in what remains, |r| <= ln2/512, whose next term is below 2e-13.
// Tang, "Table-driven implementation of the exponential function in IEEE floating-point arithmetic", 1989.

const STEPS = 256;
const STEP = Math.LN2 / STEPS;
/** exp(-41) is below 2e-18: of a sum that is at least 1, a vocabulary of such terms is nothing. */
const LEAST = -41;

const TABLE = Float64Array.from({ length: Math.ceil(-LEAST / STEP) + 1 }, (_, m) => Math.exp(-m * STEP));

/** The sum of exp(value - top) where no value is above `top`; NaN where one is NaN. Relative error below 1e-12. */
export function sumOfExps(values: ArrayLike<number>, top: number): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const x = (values[i] ?? 0) - top;
    if (x <= LEAST) continue;
    const m = Math.round(-x / STEP);
    const r = x + m * STEP;
    sum += (TABLE[m] ?? Number.NaN) * (1 + r * (1 + r * (0.5 + r / 6)));
  }
  return sum;
}
