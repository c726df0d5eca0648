// Data: a file of pairs with the margins that the reward model sees in it; reversed and zero margins are marked.

import { readPairFile } from "../api/pair-file-lazy.ts";
import { view } from "../state/address.ts";
import { csvOf } from "../state/csv.ts";
import { saveFile } from "../state/save-file.ts";
import { AggregatePicker } from "../steps/aggregate-picker.tsx";
import { Choice, Field } from "../steps/fields.tsx";
import { FilePicker } from "../steps/file-picker.tsx";
import { MarginHistogram } from "../steps/margin-histogram.tsx";
import { Problem } from "../steps/problem.tsx";
import { ScoreMark } from "../steps/score-mark.tsx";
import { VirtualRows } from "../steps/virtual-rows.tsx";
import { showPair } from "./compare-state.ts";
import {
  busy,
  COLUMNS,
  failure,
  faults,
  fileName,
  judged,
  ORDERS,
  order,
  recordsToSave,
  rows,
  SHOW,
  type ShownRow,
  scoreRows,
  show,
  shown,
  stopScoring,
  takeFile,
  words,
} from "./data-state.ts";

export function Data() {
  return (
    <>
      <h2 class="hidden">Data</h2>
      <FilePicker
        label="A JSONL or CSV file of pairs"
        onText={async (text, name) => takeFile(await readPairFile(text), name)}
      >
        <span class="soft">or drop it here; it is read in this browser</span>
      </FilePicker>
      {rows.value.length > 0 ? <Loaded /> : <Start />}
    </>
  );
}

/** What a file looks like, for who has none at hand. */
function Start() {
  const load = async (): Promise<void> => {
    const { EXAMPLE_PAIRS } = await import("../state/example-pairs.ts");
    takeFile(await readPairFile(EXAMPLE_PAIRS), "example.jsonl");
  };
  return (
    <div class="soft">
      <p>
        A pair is a question, a better and a worse solution, a step a line. The reward model tells how far it prefers
        the better one: a margin below zero says that a pair is reversed, or that the model is wrong.
      </p>
      <pre>{'{"prompt": "…", "chosen": "step\\nstep", "rejected": "step\\nstep"}'}</pre>
      <p>
        <button type="button" onClick={() => void load()}>
          Load an example
        </button>
      </p>
    </div>
  );
}

function Loaded() {
  const isBusy = busy.value !== undefined;
  const margins = judged.value.flatMap(({ margin }) => (margin === null ? [] : [margin]));
  const reversed = margins.filter((margin) => margin < 0).length;
  const zero = margins.filter((margin) => margin === 0).length;
  return (
    <section class="answer" aria-labelledby="data-file">
      <div class="row answer-head">
        <h2 id="data-file">{fileName.value}</h2>
        <AggregatePicker />
      </div>
      <p role="status">
        {rows.value.length} pairs, {margins.length} scored: {reversed} reversed, {zero} zero.
      </p>
      <Faults />
      <p class="row">
        <button type="button" class="main" disabled={isBusy} onClick={() => void scoreRows()}>
          Score
        </button>
        <button type="button" disabled={!isBusy} onClick={stopScoring}>
          Stop
        </button>
        <button type="button" onClick={() => void saveAs("csv")}>
          Download CSV
        </button>
        <button type="button" onClick={() => void saveAs("jsonl")}>
          Download JSONL
        </button>
      </p>
      {isBusy && (
        <p class="row">
          <progress aria-label="Pairs scored" value={margins.length} max={rows.value.length} />
          <span class="soft">
            {margins.length} of {rows.value.length}
          </span>
        </p>
      )}
      {failure.value !== undefined && <Problem failure={failure.value} onRetry={() => void scoreRows()} />}
      <MarginHistogram margins={margins} />
      <div class="row settings">
        <Choice
          label="Show"
          value={show.value}
          options={SHOW}
          onChange={(value) => {
            show.value = value;
          }}
        />
        <Choice
          label="Order"
          value={order.value}
          options={ORDERS}
          onChange={(value) => {
            order.value = value;
          }}
        />
        <Field label="With the words">
          <input
            type="search"
            value={words.value}
            onInput={(event) => {
              words.value = event.currentTarget.value;
            }}
          />
        </Field>
        <span class="soft">{shown.value.length} shown</span>
      </div>
      <VirtualRows
        label="Pairs"
        columns={[
          { name: "Line" },
          { name: "Margin", order: { now: SORTED[order.value], onChange: nextOrder } },
          { name: "Chosen" },
          { name: "Rejected" },
          { name: "Question" },
        ]}
        count={shown.value.length}
        keyOf={(index) => shown.value[index]?.row.line ?? index}
        cells={(index) => cellsOf(shown.value[index])}
      />
    </section>
  );
}

const SORTED = { line: "none", margin_up: "ascending", margin_down: "descending" } as const;

/** By margin, the smallest first; the largest first; as in the file. */
function nextOrder(): void {
  const at = ORDERS.indexOf(order.value);
  order.value = ORDERS[(at + 1) % ORDERS.length] ?? "line";
}

function cellsOf(one: ShownRow | undefined) {
  if (one === undefined) return [];
  const { row, chosen, rejected, margin } = one;
  const mark = margin === null ? "" : margin < 0 ? "↔ reversed" : margin === 0 ? "= zero" : "";
  const open = (): void => {
    view.value = "compare";
    showPair(row);
  };
  return [
    String(row.line),
    <>
      {margin === null ? "–" : margin.toFixed(3)} {mark !== "" && <b class="mark">{mark}</b>}
    </>,
    <ScoreMark key="chosen" score={chosen} label="chosen" />,
    <ScoreMark key="rejected" score={rejected} label="rejected" />,
    <button key="open" type="button" class="quiet cut" title={row.prompt} onClick={open}>
      {row.prompt}
    </button>,
  ];
}

function Faults() {
  const { list, count, leftOut } = faults.value;
  if (count === 0 && leftOut === 0) return null;
  return (
    <details>
      <summary>
        {count > 0 && `${count} records are no pairs. `}
        {count > list.length && `The first ${list.length} are named. `}
        {leftOut > 0 && `${leftOut} more pairs were left out: the table holds 10,000.`}
      </summary>
      <ul>
        {list.map(({ line, what }) => (
          <li key={line}>
            line {line} {what}
          </li>
        ))}
      </ul>
    </details>
  );
}

async function saveAs(format: "csv" | "jsonl"): Promise<void> {
  const records = recordsToSave();
  const name = fileName.value.replace(/\.\w+$/, "");
  if (format === "jsonl") {
    saveFile(`${name}.scored.jsonl`, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
    return;
  }
  saveFile(`${name}.scored.csv`, await csvOf(records, COLUMNS));
}
