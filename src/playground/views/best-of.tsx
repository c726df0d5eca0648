// Best of N: samples ranked by their step scores, the vote over their final answers, and the tree of a search over steps.

import { aggregateScores } from "../../shared/aggregate.ts";
import { finalAnswer } from "../../shared/final-answer.ts";
import { aggregation } from "../state/session.ts";
import { AggregatePicker } from "../steps/aggregate-picker.tsx";
import { Choice, NumberField, TextField } from "../steps/fields.tsx";
import { LackingNote } from "../steps/lacking-note.tsx";
import { Problem } from "../steps/problem.tsx";
import { SamplingFields } from "../steps/sampling-fields.tsx";
import { ScoreMark } from "../steps/score-mark.tsx";
import { SearchTree } from "../steps/search-tree.tsx";
import {
  type BestOfSettings,
  busy,
  failure,
  find,
  question,
  type Solution,
  samples,
  settings,
  stopFinding,
  tookMs,
  tree,
  type Vote,
  WAYS,
} from "./best-of-state.ts";

export function BestOf() {
  const { way } = settings.value;
  const isBusy = busy.value !== undefined;
  return (
    <>
      <h2 class="hidden">Best of N</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void find();
        }}
      >
        <TextField label="Question" text={question} />
        <Settings />
        <p class="row">
          <button type="submit" class="main" disabled={isBusy || question.value.trim() === ""}>
            {way === "samples" ? "Sample" : "Search"}
          </button>
          <button type="button" disabled={!isBusy} onClick={stopFinding}>
            Stop
          </button>
          {isBusy && <span role="status">Working …</span>}
          {!isBusy && tookMs.value !== undefined && <span class="soft">{(tookMs.value / 1000).toFixed(1)} s</span>}
        </p>
      </form>
      {failure.value !== undefined && <Problem failure={failure.value} onRetry={() => void find()} />}
      {way === "samples" ? <Samples /> : <Search />}
      <LackingNote prompt={question.value} />
    </>
  );
}

function Settings() {
  const { way, n, width, expand } = settings.value;
  const set = (part: Partial<BestOfSettings>): void => {
    settings.value = { ...settings.value, ...part };
  };
  return (
    <div class="row settings">
      <Choice label="Way" value={way} options={WAYS} onChange={(value) => set({ way: value })} />
      {way === "samples" ? (
        <NumberField label="Samples" value={n} min={2} max={8} step={1} onChange={(value) => set({ n: value })} />
      ) : (
        <>
          <NumberField
            label="Prefixes kept"
            value={width}
            min={1}
            max={4}
            step={1}
            onChange={(value) => set({ width: value })}
          />
          <NumberField
            label="Tried from each"
            value={expand}
            min={1}
            max={Math.floor(16 / width)}
            step={1}
            onChange={(value) => set({ expand: value })}
          />
        </>
      )}
      <SamplingFields value={settings.value} min={0.1} onChange={set} />
    </div>
  );
}

function Samples() {
  const found = samples.value;
  if (found === undefined) return <p class="soft">Samples will stand here, the best first.</p>;
  const ranked = found.solutions
    .map((solution) => ({ ...solution, total: totalOf(solution) }))
    .sort((a, b) => (b.total ?? -1) - (a.total ?? -1));
  return (
    <section class="answer" aria-labelledby="ranked">
      <div class="row answer-head">
        <h2 id="ranked">Ranked by step scores</h2>
        <AggregatePicker />
      </div>
      <table class="votes">
        <caption>
          The vote over final answers, each sample counting its score
          <Majority votes={found.votes} />
        </caption>
        <thead>
          <tr>
            <th scope="col">Answer</th>
            <th scope="col">Share</th>
            <th scope="col">Samples</th>
          </tr>
        </thead>
        <tbody>
          {found.votes.map(({ answer, share, votes }) => (
            <tr key={answer}>
              <th scope="row">{answer}</th>
              <td style={{ "--share": share }}>
                {Math.round(100 * share)} %<i class="bar" aria-hidden="true" />
              </td>
              <td>{votes}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <ol class="ranked">
        {ranked.map(({ generated_text: text, steps, total }, index) => (
          <li key={index}>
            <p class="row">
              <b>{index + 1}.</b> <ScoreMark score={total} label={`sample ${index + 1}, aggregate`} large />
              <span class="soft">answer {finalAnswer(text) ?? "none"}</span>
            </p>
            <ul class="steps">
              {steps.map((step, at) => (
                <li key={at}>
                  <ScoreMark score={step.score} label={`step ${at + 1}`} />
                  <span class="step-text">{step.text}</span>
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** What most samples say, where the scores say something else. */
function Majority({ votes }: { votes: readonly Vote[] }) {
  const [most] = [...votes].sort((a, b) => b.votes - a.votes);
  const [best] = votes;
  if (most === undefined || best === undefined || most.votes === best.votes) return <>.</>;
  return (
    <>
      : {best.answer}. By number alone it would be {most.answer}.
    </>
  );
}

function totalOf({ steps }: Solution): number | null {
  if (steps.length === 0) return null;
  return aggregateScores(
    steps.map(({ score }) => score),
    aggregation.value,
  );
}

function Search() {
  const known = tree.value;
  if (known === undefined)
    return <p class="soft">The tree of the search will grow here: what was tried, what was kept, what was dropped.</p>;
  const { best } = known;
  return (
    <section class="answer" aria-labelledby="tree">
      <div class="row answer-head">
        <h2 id="tree">{best === undefined ? "Searching" : "The search"}</h2>
        {best !== undefined && <ScoreMark score={best.score} label="aggregate of the best" large />}
      </div>
      <p class="soft" role="status">
        {known.nodes.length} steps tried
        {best === undefined ? " so far" : `, ${best.search.rounds} rounds, ${best.search.tokens} tokens`}.
      </p>
      <SearchTree tree={known} />
    </section>
  );
}
