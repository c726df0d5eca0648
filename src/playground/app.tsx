// The frame: what every view shares.

import type { ComponentType } from "preact";
import { type View, view } from "./state/address.ts";
import { apiKey, followInfo, info, infoFailure, refreshInfo, SOURCES } from "./state/session.ts";
import { Problem } from "./steps/problem.tsx";
import { LocalStatus, SourcePicker } from "./steps/source-picker.tsx";
import { Ask } from "./views/ask.tsx";

const TITLES: Partial<Record<View, string>> = { ask: "Ask" };
const PAGES: Partial<Record<View, ComponentType>> = { ask: Ask };

followInfo();

export function App() {
  const name = PAGES[view.value] === undefined ? "ask" : view.value;
  const Page = PAGES[name] ?? Ask;
  return (
    <>
      <header>
        <p class="kicker">Stepwise DPO</p>
        <h1>Playground</h1>
        <p class="standfirst">A reward model scores every step of an answer, not only its end.</p>
        <nav aria-label="Views">
          {Object.entries(TITLES).map(([each, title]) => (
            <a key={each} href={`#${each}`} aria-current={each === name ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <Session />
        <LocalStatus />
      </header>
      <main>
        {infoFailure.value !== undefined && infoFailure.value.kind !== "stopped" && (
          <Problem failure={infoFailure.value} onRetry={() => void refreshInfo()} />
        )}
        <Page />
      </main>
    </>
  );
}

function Session() {
  return (
    <div class="row session">
      {SOURCES.length > 1 && <SourcePicker />}
      {SOURCES.includes("worker") && <ApiKey />}
      <span class="soft model">
        {info.value === undefined ? "" : `${info.value.policy.id}, scored by ${info.value.reward.id}`}
      </span>
    </div>
  );
}

function ApiKey() {
  return (
    <label class="inline">
      API key
      <input
        type="password"
        autocomplete="off"
        value={apiKey.value}
        onChange={(event) => {
          apiKey.value = event.currentTarget.value.trim();
        }}
      />
    </label>
  );
}
