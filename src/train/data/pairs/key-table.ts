// Which texts were met before, in sixteen bytes a text: the first 64 bits of a hash, and an open table of their numbers. Of ten million
// texts two share their 64 bits with a chance of one in 400,000.

import { createHash } from "node:crypto";
import { NumberList } from "./number-list.ts";

/** Numbers the distinct texts that it is asked for, from 0. */
export class KeyTable {
  /** Of each text, by its number. */
  private readonly high = new NumberList();
  private readonly low = new NumberList();
  /** Number of the text in this place, plus 1; 0: free. */
  private places = new Uint32Array(1024);

  get size(): number {
    return this.high.length;
  }

  /** The text's number, and whether it is new. */
  add(text: string): { number: number; isNew: boolean } {
    if (this.size * 4 >= this.places.length * 3) this.grow();
    const digest = createHash("sha1").update(text).digest();
    const [high, low] = [digest.readUInt32LE(0), digest.readUInt32LE(4)];
    const place = this.placeOf(high, low);
    const known = this.places[place] ?? 0;
    if (known > 0) return { number: known - 1, isNew: false };
    this.high.push(high);
    this.low.push(low);
    this.places[place] = this.size;
    return { number: this.size - 1, isNew: true };
  }

  private placeOf(high: number, low: number): number {
    const mask = this.places.length - 1;
    for (let place = low & mask; ; place = (place + 1) & mask) {
      const known = this.places[place] ?? 0;
      if (known === 0 || (this.low.at(known - 1) === low && this.high.at(known - 1) === high)) return place;
    }
  }

  private grow(): void {
    this.places = new Uint32Array(2 * this.places.length);
    for (let number = 0; number < this.size; number++) {
      this.places[this.placeOf(this.high.at(number), this.low.at(number))] = number + 1;
    }
  }
}
