// Whether an id may have occurred before, in memory that does not grow: a Bloom filter. What it suspects is looked at again, exactly.
// Bloom, Space/time trade-offs in hash coding with allowable errors, 1970.

export interface IdFilter {
  /** Adds an id; true: it may have been there. */
  add(id: string): boolean;
}

const HASHES = 4;
const FIRST_BYTES = 1_024;
/** Of all filters together; beyond, the last one fills up, and suspects more. */
const MAX_BYTES = 2 ** 25;
/** A filter is full when it has 16 bits for each id. */
const BYTES_AN_ID = 2;

/** Grows with its ids: a full filter is left as it is, and one of twice its size begun. */
export function createIdFilter(): IdFilter {
  const filters = [new Uint8Array(FIRST_BYTES)];
  let total = FIRST_BYTES;
  let ids = 0;
  const newest = (): Uint8Array => {
    const last = filters.at(-1) ?? new Uint8Array(FIRST_BYTES);
    if (ids * BYTES_AN_ID < last.length || total + 2 * last.length > MAX_BYTES) return last;
    const next = new Uint8Array(2 * last.length);
    filters.push(next);
    total += next.length;
    ids = 0;
    return next;
  };
  return {
    add(id) {
      const hash = hashOf(id);
      if (filters.some((bits) => isIn(bits, hash))) return true;
      set(newest(), hash);
      ids += 1;
      return false;
    },
  };
}

function isIn(bits: Uint8Array, [low, high]: readonly [number, number]): boolean {
  const mask = bits.length * 8 - 1;
  for (let hash = 0; hash < HASHES; hash++) {
    const bit = (low + Math.imul(hash, high | 1)) & mask;
    if (((bits[bit >>> 3] ?? 0) & (1 << (bit & 7))) === 0) return false;
  }
  return true;
}

function set(bits: Uint8Array, [low, high]: readonly [number, number]): void {
  const mask = bits.length * 8 - 1;
  for (let hash = 0; hash < HASHES; hash++) {
    const bit = (low + Math.imul(hash, high | 1)) & mask;
    bits[bit >>> 3] = (bits[bit >>> 3] ?? 0) | (1 << (bit & 7));
  }
}

/** Two 32-bit FNV-1a hashes of the text's code units, mixed by MurmurHash3's finalizer. */
export function hashOf(text: string): [number, number] {
  let low = 0x811c9dc5;
  let high = 0x01000193;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x5bd1e995) ^ (high >>> 13);
  }
  return [mix(low), mix(high)];
}

/** The same as text. */
export function hashName(text: string): string {
  const [low, high] = hashOf(text);
  return `${low.toString(36)}.${high.toString(36)}`;
}

function mix(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
