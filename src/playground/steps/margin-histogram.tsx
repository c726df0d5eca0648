// Margins as a histogram: what is reversed stands left of zero, and is also named.

const BINS = 24;
const WIDTH = 480;
const HEIGHT = 120;

export interface Bin {
  from: number;
  to: number;
  count: number;
}

/** Equal bins around zero that reach as far as the largest margin; one edge is zero. */
function binsOf(margins: readonly number[]): Bin[] {
  const reach = margins.reduce((most, margin) => Math.max(most, Math.abs(margin)), 0) || 1;
  const size = (2 * reach) / BINS;
  const bins = Array.from({ length: BINS }, (_, at) => ({
    from: (at - BINS / 2) * size,
    to: (at + 1 - BINS / 2) * size,
    count: 0,
  }));
  for (const margin of margins) {
    const bin = bins[Math.min(BINS - 1, Math.floor(margin / size) + BINS / 2)];
    if (bin !== undefined) bin.count++;
  }
  return bins;
}

export function MarginHistogram({ margins }: { margins: readonly number[] }) {
  if (margins.length === 0) return null;
  const bins = binsOf(margins);
  const most = Math.max(...bins.map(({ count }) => count));
  const share = margins.filter((margin) => margin < 0).length / margins.length;
  const reach = bins.at(-1)?.to ?? 1;
  return (
    <figure class="histogram">
      <figcaption>
        How many pairs have which margin: at most {most} in a bar. Left of the line, {(100 * share).toFixed(1)} % are
        reversed.
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`Histogram of ${margins.length} margins, ${(100 * share).toFixed(1)} percent of them reversed`}
      >
        {bins.map(({ from, count }, at) => (
          <rect
            key={from}
            x={(at * WIDTH) / BINS + 1}
            y={HEIGHT - (HEIGHT * count) / most}
            width={WIDTH / BINS - 2}
            height={(HEIGHT * count) / most}
            class={from < 0 ? "lower" : "upper"}
          />
        ))}
        <line x1={WIDTH / 2} x2={WIDTH / 2} y1={0} y2={HEIGHT} />
      </svg>
      <p class="axis soft" aria-hidden="true">
        <span>−{reach.toFixed(2)}</span>
        <span>0</span>
        <span>{reach.toFixed(2)}</span>
      </p>
    </figure>
  );
}
