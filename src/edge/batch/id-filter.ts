// Whether an id may have occurred before, in memory that does not grow: a Bloom filter. What it suspects is looked at again, exactly.
// Bloom, Space/time trade-offs in hash coding with allowable errors, 1970.

export interface IdFilter {
  /** Adds an id; true: it may have been there. */
  add(id: string): boolean;
}

const HASHES = 4;
const MAX_BYTES = 16 * 2 ** 20;

/** For so many ids: 16 bits of each, up to 16 MiB. */
export function createIdFilter(expectedIds: number): IdFilter {
  const bytes = 2 ** Math.ceil(Math.log2(Math.min(MAX_BYTES, Math.max(1024, expectedIds * 2))));
  const bits = new Uint8Array(bytes);
  const mask = bytes * 8 - 1;
  return {
    add(id) {
      const [low, high] = hashOf(id);
      let wasThere = true;
      for (let hash = 0; hash < HASHES; hash++) {
        const bit = (low + Math.imul(hash, high | 1)) & mask;
        const byte = bit >>> 3;
        const flag = 1 << (bit & 7);
        const now = bits[byte] ?? 0;
        if ((now & flag) === 0) {
          wasThere = false;
          bits[byte] = now | flag;
        }
      }
      return wasThere;
    },
  };
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
