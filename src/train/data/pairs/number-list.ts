// Whole numbers up to 2^32 - 1, four bytes each, in pieces: a list that grows is never copied.

const PIECE = 2 ** 16;

export class NumberList {
  private readonly pieces: Uint32Array[] = [];
  private count = 0;

  get length(): number {
    return this.count;
  }

  push(number: number): void {
    const at = this.count++ % PIECE;
    if (at === 0) this.pieces.push(new Uint32Array(PIECE));
    const piece = this.pieces.at(-1);
    if (piece !== undefined) piece[at] = number;
  }

  /** Throws RangeError for a place that is not there. */
  at(index: number): number {
    const number = index < this.count ? this.pieces[Math.floor(index / PIECE)]?.[index % PIECE] : undefined;
    if (number === undefined) throw new RangeError(`no number ${index} of ${this.count}`);
    return number;
  }
}
