// Which texts were met before, in eight bytes a text: the first 64 bits of a hash, in an open table. Of ten million texts two share their
// 64 bits with a chance of one in 400,000.

import { createHash } from "node:crypto";

/** Numbers the distinct texts that it is asked for, from 0. */
export class KeyTable {
  private high = new Uint32Array(1024);
  private low = new Uint32Array(1024);
  /** Number of the text in this place, plus 1; 0: free. */
  private numbers = new Uint32Array(1024);
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** The text's number, and whether it is new. */
  add(text: string): { number: number; isNew: boolean } {
    if (this.count * 4 >= this.numbers.length * 3) this.grow();
    const digest = createHash("sha1").update(text).digest();
    const [high, low] = [digest.readUInt32LE(0), digest.readUInt32LE(4)];
    const place = this.placeOf(high, low);
    const number = this.numbers[place] ?? 0;
    if (number > 0) return { number: number - 1, isNew: false };
    this.put(place, high, low, ++this.count);
    return { number: this.count - 1, isNew: true };
  }

  private placeOf(high: number, low: number): number {
    const mask = this.numbers.length - 1;
    let place = low & mask;
    while (this.numbers[place] !== 0 && (this.high[place] !== high || this.low[place] !== low))
      place = (place + 1) & mask;
    return place;
  }

  private put(place: number, high: number, low: number, number: number): void {
    this.high[place] = high;
    this.low[place] = low;
    this.numbers[place] = number;
  }

  private grow(): void {
    const { high, low, numbers } = this;
    this.high = new Uint32Array(2 * high.length);
    this.low = new Uint32Array(2 * low.length);
    this.numbers = new Uint32Array(2 * numbers.length);
    numbers.forEach((number, i) => {
      if (number > 0) this.put(this.placeOf(high[i] ?? 0, low[i] ?? 0), high[i] ?? 0, low[i] ?? 0, number);
    });
  }
}
