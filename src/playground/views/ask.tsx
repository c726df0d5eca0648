// Ask: a prompt, and the answer step by step, each step coloured by its score as soon as it is complete.

import { useSignal } from "@preact/signals";
import { ALL_SOURCES, aggregation, info, SOURCE_NAMES, source } from "../state/session.ts";
import { AggregatePicker } from "../steps/aggregate-picker.tsx";
import { NumberField } from "../steps/fields.tsx";
import { LackingNote } from "../steps/lacking-note.tsx";
import { Problem } from "../steps/problem.tsx";
import { SamplingFields } from "../steps/sampling-fields.tsx";
import { ScoreLegend, ScoreMark } from "../steps/score-mark.tsx";
import { aggregateOf, partsOf } from "../steps/scored-text.ts";
import { StepList } from "../steps/step-list.tsx";
import { TokenPanel } from "../steps/token-text.tsx";
import {
  answered,
  EXAMPLES,
  editStep,
  failure,
  generate,
  prompt,
  queued,
  regenerate,
  running,
  runs,
  scoreAgain,
  settings,
  stop,
  timing,
  written,
} from "./ask-state.ts";

export function Ask() {
  const busy = running.value !== undefined;
  const onSubmit = (event: Event): void => {
    event.preventDefault();
    void generate();
  };
  return (
    <>
      <form onSubmit={onSubmit} class="ask-form">
        <label for="prompt">Question</label>
        <textarea
          id="prompt"
          rows={3}
          value={prompt.value}
          onInput={(event) => {
            prompt.value = event.currentTarget.value;
          }}
        />
        <p class="row examples">
          <span class="soft">Examples:</span>
          {EXAMPLES.map(({ name, text }) => (
            <button
              type="button"
              class="quiet"
              key={name}
              aria-pressed={prompt.value === text}
              onClick={() => {
                prompt.value = text;
              }}
            >
              {name}
            </button>
          ))}
        </p>
        <Settings />
        <p class="row">
          <button type="submit" class="main" disabled={busy || prompt.value.trim() === ""}>
            Generate
          </button>
          <button type="button" onClick={stop} disabled={!busy}>
            Stop
          </button>
          <button type="button" onClick={() => void regenerate()} disabled={busy || written.value.text === ""}>
            Regenerate
          </button>
        </p>
      </form>
      <Answer />
    </>
  );
}

function Settings() {
  const { maxNewTokens } = settings.value;
  const limit = info.value?.policy.max_target_tokens;
  const set = (part: Partial<typeof settings.value>): void => {
    settings.value = { ...settings.value, ...part };
  };
  return (
    <div class="row settings">
      <SamplingFields value={settings.value} onChange={set} />
      <NumberField
        label="Most tokens"
        value={maxNewTokens}
        min={1}
        max={limit ?? 4096}
        step={1}
        onChange={(value) => set({ maxNewTokens: value })}
      />
    </div>
  );
}

function Answer() {
  const parts = partsOf(written.value);
  const editing = useSignal<{ index: number; text: string } | undefined>(undefined);
  const busy = running.value !== undefined;
  const total = aggregateOf(
    parts.map(({ score }) => score),
    aggregation.value,
  );
  const lastWhole = Math.max(0, parts.length - 1);
  return (
    <section aria-labelledby="answer" class="answer">
      <div class="row answer-head">
        <h2 id="answer">Answer</h2>
        {parts.length > 0 && (
          <>
            <ScoreMark score={total} label={`aggregate (${aggregation.value})`} large />
            <AggregatePicker />
          </>
        )}
      </div>
      {answered.value !== "" && answered.value !== prompt.value && <p class="soft">To: {answered.value}</p>}
      {queued.value !== undefined && <p role="status">Waiting: place {queued.value} in the line.</p>}
      {parts.length === 0 && !busy && (
        <p class="soft">
          Nothing written yet. Press Generate: every step of the answer will stand here, with the score that the reward
          model gives it.
        </p>
      )}
      <StepList
        parts={parts}
        name="ask"
        replaced={(_, index) => (editing.value?.index === index ? <EditStep editing={editing} /> : undefined)}
        actions={(part, index) =>
          !busy && (
            <>
              <button
                type="button"
                class="quiet"
                aria-label={`Edit step ${index + 1}`}
                onClick={() => {
                  editing.value = { index, text: part.text };
                }}
              >
                Edit
              </button>
              <button
                type="button"
                class="quiet"
                aria-label={`Continue from step ${index + 1}`}
                onClick={() => void generate(index + 1)}
              >
                Continue
              </button>
            </>
          )
        }
      />
      {failure.value !== undefined && (
        <Problem
          failure={failure.value}
          onRetry={() =>
            void (parts.length > 0 &&
            parts.some(({ score }) => score === null) &&
            !busy &&
            failure.value?.kind !== "lost"
              ? scoreAgain()
              : generate())
          }
        >
          {failure.value.kind === "lost" && lastWhole > 0 && (
            <button type="button" onClick={() => void generate(lastWhole)}>
              Continue from step {lastWhole}
            </button>
          )}
        </Problem>
      )}
      <ScoreLegend />
      {parts.length > 0 && <TokenPanel />}
      <LackingNote prompt={answered.value} />
      <Speed />
      <SideBySide />
      <p class="hidden" role="status">
        {busy
          ? `Writing. ${parts.length} steps so far.`
          : parts.length > 0
            ? `${parts.length} steps, aggregate ${total?.toFixed(2) ?? "unknown"}.`
            : ""}
      </p>
    </section>
  );
}

function EditStep({ editing }: { editing: { value: { index: number; text: string } | undefined } }) {
  const { index, text } = editing.value ?? { index: 0, text: "" };
  const close = (): void => {
    editing.value = undefined;
  };
  const save = (event: Event): void => {
    event.preventDefault();
    close();
    void editStep(index, text);
  };
  return (
    <form class="row edit" onSubmit={save}>
      <input
        aria-label={`Step ${index + 1}`}
        value={text}
        ref={(input) => {
          if (input !== null && document.activeElement !== input) input.focus();
        }}
        onInput={(event) => {
          editing.value = { index, text: event.currentTarget.value };
        }}
        onKeyDown={(event) => event.key === "Escape" && close()}
      />
      <button type="submit" disabled={text.trim() === ""}>
        Score again
      </button>
      <button type="button" class="quiet" onClick={close}>
        Cancel
      </button>
    </form>
  );
}

/** The same request answered in two places: is the text the same, and what did it take? */
function SideBySide() {
  const known = ALL_SOURCES.flatMap((each) => {
    const run = runs.value[each];
    return run === undefined ? [] : [{ each, ...run }];
  });
  const last = runs.value[source.value];
  const same = known.filter(({ request }) => request === last?.request);
  if (same.length < 2) return null;
  const equal = new Set(same.map(({ text }) => text)).size === 1;
  return (
    <table class="beside">
      <caption>
        The same question, answered in {same.length} places: {equal ? "the same text" : "different texts"}
      </caption>
      <thead>
        <tr>
          <th scope="col">Where</th>
          <th scope="col">First token</th>
          <th scope="col">All</th>
          <th scope="col">Tokens a second</th>
        </tr>
      </thead>
      <tbody>
        {same.map(({ each, timing: { firstMs = 0, totalMs = 0, tokens } }) => (
          <tr key={each}>
            <th scope="row">{SOURCE_NAMES[each]}</th>
            <td>{Math.round(firstMs)} ms</td>
            <td>{Math.round(totalMs)} ms</td>
            <td>{perSecond({ firstMs, totalMs, tokens })?.toFixed(0) ?? "–"}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function perSecond({
  firstMs,
  totalMs,
  tokens,
}: {
  firstMs: number;
  totalMs: number;
  tokens: number;
}): number | undefined {
  return totalMs > firstMs ? ((tokens - 1) / (totalMs - firstMs)) * 1000 : undefined;
}

function Speed() {
  const { firstMs, totalMs, tokens } = timing.value ?? {};
  if (firstMs === undefined || totalMs === undefined || tokens === undefined) return null;
  const speed = perSecond({ firstMs, totalMs, tokens });
  return (
    <p class="soft speed">
      First token after {Math.round(firstMs)} ms, {tokens} tokens in {Math.round(totalMs)} ms
      {speed !== undefined && <>, {speed.toFixed(0)} tokens a second</>}.
    </p>
  );
}
