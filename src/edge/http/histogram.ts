// A histogram in Prometheus' sense: cumulative counts up to given bounds, sum and count.

export interface Histogram {
  observe(value: number): void;
  /** Lines of the text format; `labels` as in `route="/score"`. */
  render(name: string, labels?: string): string[];
}

/** An empty histogram with ascending bounds. */
export function createHistogram(bounds: readonly number[]): Histogram {
  const counts = bounds.map(() => 0);
  let sum = 0;
  let count = 0;
  return {
    observe(value) {
      sum += value;
      count += 1;
      bounds.forEach((bound, index) => {
        if (value <= bound) counts[index] = (counts[index] ?? 0) + 1;
      });
    },
    render(name, labels = "") {
      const own = labels === "" ? "" : `{${labels}}`;
      const bucket = (bound: string) => `${name}_bucket{${labels === "" ? "" : `${labels},`}le="${bound}"}`;
      return [
        ...bounds.map((bound, index) => `${bucket(String(bound))} ${counts[index] ?? 0}`),
        `${bucket("+Inf")} ${count}`,
        `${name}_sum${own} ${sum}`,
        `${name}_count${own} ${count}`,
      ];
    },
  };
}
