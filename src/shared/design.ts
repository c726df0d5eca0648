// The look that everything for people shares, the evaluation report and the playground: colours, type, and how a score is shown. CSS in
// custom properties; light, dark; one accent, and colours that colour-blind readers tell apart (Okabe-Ito).

/** Colours and type as custom properties of the root. */
export const DESIGN_TOKENS = `:root{color-scheme:light dark;--paper:#fdfcfa;--card:#f5f3ee;--ink:#1d2126;--soft:#646a72;--line:#e4e1da;--accent:#0064a8;--before:#6d737b;--wrong:#b94604;--third:#00805f;--heat-mid:#f4f1ea;
--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;--serif:"Iowan Old Style","Palatino Linotype",Palatino,Georgia,"Times New Roman",serif;--mono:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
@media screen and (prefers-color-scheme:dark){:root{--paper:#15181c;--card:#1e2227;--ink:#e9e6e0;--soft:#9aa1a9;--line:#30353c;--accent:#64b5f0;--before:#949ba3;--wrong:#f0915a;--third:#4cc49f;--heat-mid:#2a2e34}}`;

/** The background of a score: \`--p\` is how far it is from undecided. More of the tone would cost the figure its contrast (4.5 to 1), in the dark first. */
export const SCORE_COLOURS = `.hi,.lo,.none{background:color-mix(in oklab,var(--tone) calc(var(--p)*.45),var(--heat-mid));print-color-adjust:exact;-webkit-print-color-adjust:exact}
.hi{--tone:var(--accent)}.lo{--tone:var(--wrong)}.none{--tone:var(--heat-mid);--p:0%}`;

/** Class and style of a score from 0 to 1: towards one colour for right, the other for wrong; the middle is pale. */
export function scoreLook(score: number | null): { tone: "hi" | "lo" | "none"; style: string } {
  if (score === null) return { tone: "none", style: "" };
  const strength = Math.min(1, Math.abs(score - 0.5) * 2);
  return { tone: score >= 0.5 ? "hi" : "lo", style: `--p:${(100 * strength).toFixed(0)}%` };
}

/** `0.97`; a dash where nothing scored the step. */
export function scoreText(score: number | null): string {
  return score === null ? "–" : score.toFixed(2);
}
