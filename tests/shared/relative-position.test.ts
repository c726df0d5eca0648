import { expect, test } from "vitest";
import { relativePositionBucket, relativePositionBuckets } from "../../src/shared/relative-position.ts";

test.each([
  { queryLength: 3, keyLength: 5, bidirectional: true },
  { queryLength: 7, keyLength: 2, bidirectional: true },
  { queryLength: 4, keyLength: 4, bidirectional: false },
  { queryLength: 1, keyLength: 40, queryOffset: 39, bidirectional: false },
])("$queryLength queries and $keyLength keys: each pair has the bucket of its own difference", (sizes) => {
  const [numBuckets, maxDistance] = [8, 20];
  const { queryLength, keyLength, queryOffset = 0, bidirectional } = sizes;
  const ids = relativePositionBuckets({ ...sizes, numBuckets, maxDistance });
  expect(ids).toHaveLength(queryLength * keyLength);
  ids.forEach((id, i) => {
    const difference = (i % keyLength) - (Math.floor(i / keyLength) + queryOffset);
    expect(id).toBe(relativePositionBucket(difference, bidirectional, numBuckets, maxDistance));
  });
});
