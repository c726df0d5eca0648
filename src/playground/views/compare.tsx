// Compare: two completions side by side, aligned by step, the first wrong step of each marked, the preferred one and the margin on top.

import { readPairFile } from "../api/pair-file-lazy.ts";
import { aggregation, SOURCE_NAMES, sources } from "../state/session.ts";
import { AggregatePicker } from "../steps/aggregate-picker.tsx";
import { alignSteps, firstWrongStep, preferenceOf } from "../steps/compare-parts.ts";
import { Field, NumberField, TextField } from "../steps/fields.tsx";
import { FilePicker } from "../steps/file-picker.tsx";
import { LackingNote } from "../steps/lacking-note.tsx";
import { Problem } from "../steps/problem.tsx";
import { SamplingFields } from "../steps/sampling-fields.tsx";
import { ScoreLegend, ScoreMark } from "../steps/score-mark.tsx";
import { aggregateOf, NOTHING, partsOf, type StepPart } from "../steps/scored-text.ts";
import {
  busy,
  failure,
  question,
  rows,
  SIDES,
  type Side,
  scoreBoth,
  setSide,
  showPair,
  sides,
  stopWork,
  writeBoth,
  writeSide,
} from "./compare-state.ts";

export function Compare() {
  const isBusy = busy.value !== undefined;
  const hasText = SIDES.some((side) => sides.value[side].text.trim() !== "");
  return (
    <>
      <h2 class="hidden">Compare</h2>
      <TextField label="Question" text={question} />
      <FileRow />
      <div class="sides">
        {SIDES.map((side) => (
          <SideForm key={side} side={side} />
        ))}
      </div>
      <p class="row">
        <button type="button" class="main" disabled={isBusy || !hasText} onClick={() => void scoreBoth()}>
          Score both
        </button>
        <button type="button" disabled={isBusy || question.value.trim() === ""} onClick={() => void writeBoth()}>
          Write both
        </button>
        <button type="button" disabled={!isBusy} onClick={stopWork}>
          Stop
        </button>
      </p>
      {failure.value !== undefined && (
        <Problem failure={failure.value} onRetry={() => void (hasText ? scoreBoth() : writeBoth())} />
      )}
      {!hasText && (
        <p class="soft">
          Paste two completions, a step a line, load a pair of a file, or let the model write both: they will stand
          beside each other here, step by step.
        </p>
      )}
      <Verdict />
    </>
  );
}

function FileRow() {
  const open = rows.value;
  const show = (at: number): void => {
    const record = open?.records[at];
    if (open === undefined || record === undefined) return;
    rows.value = { ...open, at };
    showPair(record);
  };
  return (
    <FilePicker
      label="Load a row of a JSONL or CSV file"
      onText={async (text) => {
        const { records } = await readPairFile(text);
        rows.value = { records, at: 0 };
        if (records[0] !== undefined) showPair(records[0]);
      }}
    >
      {open !== undefined && (
        <>
          <NumberField
            label="Row"
            value={open.at + 1}
            min={1}
            max={open.records.length}
            step={1}
            onChange={(row) => show(row - 1)}
          />
          <span class="soft">of {open.records.length}</span>
        </>
      )}
    </FilePicker>
  );
}

function SideForm({ side }: { side: Side }) {
  const { name, from, text, ms } = sides.value[side];
  return (
    <fieldset>
      <legend>{name}</legend>
      <Field label={`Completion, a step a line (${name})`}>
        <textarea rows={5} value={text} onInput={(event) => setSide(side, { text: event.currentTarget.value })} />
      </Field>
      <div class="row settings">
        {sources.value.length > 1 && (
          <Field label="Written by">
            <select
              value={from}
              onChange={(event) => {
                const chosen = sources.value.find((each) => each === event.currentTarget.value);
                if (chosen !== undefined) setSide(side, { from: chosen });
              }}
            >
              {sources.value.map((each) => (
                <option key={each} value={each}>
                  {SOURCE_NAMES[each]}
                </option>
              ))}
            </select>
          </Field>
        )}
        <SamplingFields value={sides.value[side]} onChange={(part) => setSide(side, part)} />
      </div>
      <p class="row">
        <button type="button" disabled={busy.value !== undefined} onClick={() => void writeSide(side)}>
          Write {name}
        </button>
        {ms !== undefined && <span class="soft">{Math.round(ms)} ms</span>}
      </p>
    </fieldset>
  );
}

/** The parts of one side as they are scored. */
function partsOfSide(side: Side): StepPart[] {
  const { text, scores } = sides.value[side];
  return partsOf({ ...NOTHING, text, from: text.length, scores });
}

function Verdict() {
  const [left, right] = [partsOfSide("left"), partsOfSide("right")];
  if (left.length === 0 && right.length === 0) return null;
  const { left: a, right: b } = sides.value;
  const verdict = preferenceOf(left, right, aggregation.value);
  const wrong = { left: firstWrongStep(left), right: firstWrongStep(right) };
  const total = (parts: readonly StepPart[]) =>
    aggregateOf(
      parts.map(({ score }) => score),
      aggregation.value,
    );
  const said =
    verdict === undefined
      ? "Not scored yet."
      : verdict.preferred === "neither"
        ? "Neither is preferred: equal scores."
        : `Preferred: ${verdict.preferred === "left" ? a.name : b.name}, by a margin of ${Math.abs(verdict.margin).toFixed(3)}.`;
  return (
    <section class="answer" aria-labelledby="verdict">
      <div class="row answer-head">
        <h2 id="verdict">{said}</h2>
        <AggregatePicker />
      </div>
      <p class="hidden" role="status">
        {said}
      </p>
      <table class="aligned">
        <caption class="hidden">Both completions, aligned by step</caption>
        <thead>
          <tr>
            <th scope="col">
              {a.name} <ScoreMark score={total(left)} label="aggregate" large />
            </th>
            <th scope="col">
              {b.name} <ScoreMark score={total(right)} label="aggregate" large />
            </th>
          </tr>
        </thead>
        <tbody>
          {alignSteps(left, right).map((row, index) => (
            <tr key={index} class={row.same ? "same" : undefined}>
              <StepCell cell={row.left} firstWrong={wrong.left} />
              <StepCell cell={row.right} firstWrong={wrong.right} />
            </tr>
          ))}
        </tbody>
      </table>
      <ScoreLegend />
      <LackingNote prompt={question.value} />
    </section>
  );
}

function StepCell({
  cell,
  firstWrong,
}: {
  cell: { part: StepPart; index: number } | undefined;
  firstWrong: number | undefined;
}) {
  if (cell === undefined) return <td class="soft">–</td>;
  const { part, index } = cell;
  return (
    <td class={index === firstWrong ? "wrong" : undefined}>
      <ScoreMark score={part.score} label={`step ${index + 1}`} /> <span class="step-text">{part.text}</span>
      {index === firstWrong && <em> ✗ first wrong step</em>}
    </td>
  );
}
