// Arrays that are used again. What a forward pass keeps for the backward pass is most of a training step's memory, and is made and dropped
// at every step: fresh arrays would be filled with zeros first, and the garbage collector would run all the time.

export interface ArrayPool {
  /** An array of this length; what it holds has no meaning. */
  take(length: number): Float32Array;
  /** Gives one back that nobody reads any more. */
  give(array: Float32Array): void;
}

/** Sizes are rounded up to one of eight a doubling, so that lengths that differ a little share arrays. */
function sizeFor(length: number): number {
  const step = 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, length))) - 3);
  return Math.ceil(length / step) * step;
}

/** Holds at most as much as was in use at once. */
export function createArrayPool(): ArrayPool {
  const free = new Map<number, ArrayBuffer[]>();
  let held = 0;
  let used = 0;
  let mostUsed = 0;
  return {
    take(length) {
      const bytes = 4 * sizeFor(length);
      const found = free.get(bytes)?.pop();
      if (found !== undefined) held -= bytes;
      used += bytes;
      mostUsed = Math.max(mostUsed, used);
      return new Float32Array(found ?? new ArrayBuffer(bytes), 0, length);
    },
    give({ buffer }) {
      if (!(buffer instanceof ArrayBuffer)) throw new TypeError("an array of a shared buffer");
      used -= buffer.byteLength;
      if (held + buffer.byteLength > mostUsed) free.clear();
      if (free.size === 0) held = 0;
      held += buffer.byteLength;
      free.set(buffer.byteLength, [...(free.get(buffer.byteLength) ?? []), buffer]);
    },
  };
}
