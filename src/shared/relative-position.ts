// T5's relative position buckets: half exact, half logarithmic up to maxDistance (Raffel et al. 2020, arXiv:1910.10683, section 2.1;
// transformers modeling_t5.py `_relative_position_bucket`).

/** Bucket of key position minus query position; the decoder looks back only (`bidirectional` false). */
export function relativePositionBucket(
  relativePosition: number,
  bidirectional: boolean,
  numBuckets: number,
  maxDistance: number,
): number {
  let bucket = 0;
  let buckets = numBuckets;
  let distance: number;
  if (bidirectional) {
    buckets = numBuckets / 2;
    if (relativePosition > 0) bucket += buckets;
    distance = Math.abs(relativePosition);
  } else {
    distance = Math.max(-relativePosition, 0);
  }
  const maxExact = Math.floor(buckets / 2);
  if (distance < maxExact) return bucket + distance;
  // float32 as in the reference, so that distances on a bucket's edge fall the same way
  const ratio = Math.fround(Math.log(Math.fround(distance / maxExact))) / Math.fround(Math.log(maxDistance / maxExact));
  const large = maxExact + Math.floor(Math.fround(Math.fround(ratio) * (buckets - maxExact)));
  return bucket + Math.min(large, buckets - 1);
}

/** Row-major [queryLength, keyLength] bucket ids; `queryOffset` is the absolute position of the first query. */
export function relativePositionBuckets(options: {
  queryLength: number;
  keyLength: number;
  queryOffset?: number;
  bidirectional: boolean;
  numBuckets: number;
  maxDistance: number;
}): Int32Array {
  const { queryLength, keyLength, queryOffset = 0, bidirectional, numBuckets, maxDistance } = options;
  // key less query goes from its least, of the last query and the first key, up
  const ofDifference = Int32Array.from({ length: queryLength + keyLength - 1 }, (_, i) =>
    relativePositionBucket(i - (queryLength - 1) - queryOffset, bidirectional, numBuckets, maxDistance),
  );
  const ids = new Int32Array(queryLength * keyLength);
  for (let q = 0; q < queryLength; q++) {
    const first = queryLength - 1 - q;
    ids.set(ofDifference.subarray(first, first + keyLength), q * keyLength);
  }
  return ids;
}
