// What a search has settled on while it still goes on: the steps that all prefixes it keeps begin with.

/** The longest common beginning of the texts that ends with a whole step; "" where they differ from the first on. */
export function settledText(texts: readonly string[]): string {
  const [first = "", ...others] = texts;
  let length = first.length;
  for (const other of others) {
    let same = 0;
    while (same < length && first[same] === other[same]) same += 1;
    length = same;
  }
  return length === 0 ? "" : first.slice(0, first.lastIndexOf("\n", length - 1) + 1);
}
