// 4-bit weights as onnxruntime's MatMulNBits reads them: blocks of 32 values along a row, each value a code from 0 to 15 and each block
// a float scale, value = (code - 8) * scale; two codes a byte, the earlier in the low half.
// https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits

/** Values that share a scale. */
export const BLOCK = 32;
/** The code of 0. Codes reach further below it than above, so a block's scale has the sign that puts its largest value below. */
const MIDDLE = 8;
const LARGEST_CODE = 15;
/**
 * Where the largest value of a block may fall, in steps of the scale; each place is tried. Against the largest magnitude at 7, this took a
 * third of the error of the logits away, and twice as many places no more (docs/export.md).
 */
const PLACES = [7.2, 7.4, 7.6, 7.8, 8, 8.2, 8.4, 8.6, 8.8];

/** A matrix `[rows, columns]` in blocks, row by row. */
export interface Blocks {
  /** `[rows, columns / 32, 16]` */
  codes: Uint8Array<ArrayBuffer>;
  /** `[rows, columns / 32]` */
  scales: Float32Array<ArrayBuffer>;
}

/**
 * Values rounded to 4 bits, with the scales of the least squared error among those tried. `values` holds whole blocks: throws RangeError
 * where its length is no multiple of 32.
 */
export function quantizeBlocks(values: Float32Array): Blocks {
  if (values.length % BLOCK !== 0) throw new RangeError(`${values.length} values are not whole blocks of ${BLOCK}`);
  const codes = new Uint8Array(values.length / 2);
  const scales = new Float32Array(values.length / BLOCK);
  for (let b = 0; b < scales.length; b++) {
    const block = values.subarray(b * BLOCK, (b + 1) * BLOCK);
    const { scale, steps } = fitScale(block);
    scales[b] = scale;
    for (let i = 0; i < BLOCK; i += 2) {
      codes[(b * BLOCK + i) / 2] = codeOf((block[i] ?? 0) * steps) + 16 * codeOf((block[i + 1] ?? 0) * steps);
    }
  }
  return { codes, scales };
}

/** A value, counted in steps of the scale, as its code. */
function codeOf(steps: number): number {
  return Math.min(LARGEST_CODE, Math.trunc(steps + MIDDLE + 0.5)); // at least -8.8 steps: what is cut off is never below code 0
}

/**
 * Scale of a block, and the factor by which its values are rounded. With codes q fixed, the squared error of x is least for the scale
 * (x q) / (q q), and is then x x - (x q)^2 / (q q).
 */
function fitScale(block: Float32Array): { scale: number; steps: number } {
  let extreme = 0;
  for (const value of block) if (Math.abs(value) > Math.abs(extreme)) extreme = value;
  const best = { scale: 1, steps: 0, gain: 0 }; // as it stays for a block of zeros
  if (extreme === 0) return best;
  for (const place of PLACES) {
    const steps = -place / extreme;
    let [xq, qq] = [0, 0];
    for (let i = 0; i < BLOCK; i++) {
      const x = block[i] ?? 0;
      const q = codeOf(x * steps) - MIDDLE;
      xq += x * q;
      qq += q * q;
    }
    const gain = (xq * xq) / qq;
    if (gain > best.gain) Object.assign(best, { scale: xq / qq, steps, gain });
  }
  return best;
}
