// A score: number, bar and colour, so that none of them stands alone.

import { scoreLook, scoreText } from "../../shared/design.ts";

/** `label` is what a screen reader says before the number. */
export function ScoreMark({
  score,
  label = "score",
  large = false,
}: {
  score: number | null;
  label?: string;
  large?: boolean;
}) {
  const { tone } = scoreLook(score);
  const share = score === null ? 0 : Math.min(1, Math.max(0, score));
  const strength = score === null ? 0 : Math.min(1, Math.abs(score - 0.5) * 2);
  return (
    <span
      class={`score ${tone}${large ? " large" : ""}`}
      style={{ "--p": `${(100 * strength).toFixed(0)}%`, "--share": share }}
    >
      <span class="hidden">{score === null ? `${label}: none yet` : `${label}: `}</span>
      <span aria-hidden={score === null}>{score === null ? "–" : scoreText(score)}</span>
      <i class="bar" aria-hidden="true" />
    </span>
  );
}

const LEGEND = [
  [0.05, "probably wrong"],
  [0.5, "undecided"],
  [0.95, "probably right"],
] as const;

/** How to read a score: what each end of the scale means. */
export function ScoreLegend() {
  return (
    <p class="row soft legend">
      <span>A score is the reward model's probability that a step is right:</span>
      {LEGEND.map(([score, meaning]) => (
        <span key={meaning} class="nowrap">
          <ScoreMark score={score} label={meaning} /> <span aria-hidden="true">{meaning}</span>
        </span>
      ))}
    </p>
  );
}
