// The frame: what every view shares.

import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { addressNow, type View, view } from "./state/address.ts";
import { copyText } from "./state/copy-text.ts";
import { apiKey, followInfo, info, infoFailure, refreshInfo, SOURCES, sources } from "./state/session.ts";
import { Problem } from "./steps/problem.tsx";
import { LocalStatus, SourcePicker } from "./steps/source-picker.tsx";
import { Ask } from "./views/ask.tsx";
import { BestOf } from "./views/best-of.tsx";
import { Compare } from "./views/compare.tsx";
import { Data } from "./views/data.tsx";
import { Developers } from "./views/developers.tsx";

const PAGES: Readonly<Record<View, { title: string; Page: ComponentType }>> = {
  ask: { title: "Ask", Page: Ask },
  compare: { title: "Compare", Page: Compare },
  "best-of": { title: "Best of N", Page: BestOf },
  data: { title: "Data", Page: Data },
  developers: { title: "For developers", Page: Developers },
};

followInfo();

export function App() {
  const { Page } = PAGES[view.value];
  return (
    <>
      <header>
        <p class="kicker">Stepwise DPO</p>
        <h1>Playground</h1>
        <p class="standfirst">A reward model scores every step of an answer, not only its end.</p>
        <nav aria-label="Views">
          {Object.entries(PAGES).map(([each, { title }]) => (
            <a key={each} href={`#${each}`} aria-current={each === view.value ? "page" : undefined}>
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
      {sources.value.length > 1 && <SourcePicker />}
      {SOURCES.includes("worker") && <ApiKey />}
      <span class="soft model">
        {info.value === undefined ? "" : `${info.value.policy.id}, scored by ${info.value.reward.id}`}
      </span>
      <CopyLink />
    </div>
  );
}

function CopyLink() {
  const said = useSignal("");
  return (
    <span class="share">
      <span role="status">{said.value}</span>
      <button
        type="button"
        class="quiet"
        title="The address holds what this view shows, after “#”, which is sent to no server; never a key."
        onClick={async () => {
          said.value = await copyText(await addressNow());
        }}
      >
        Copy link
      </button>
    </span>
  );
}

function ApiKey() {
  return (
    <form onSubmit={(event) => event.preventDefault()}>
      <label class="inline">
        API key
        <input
          type="password"
          autocomplete="off"
          placeholder="if it asks for one"
          value={apiKey.value}
          onChange={(event) => {
            apiKey.value = event.currentTarget.value.trim();
          }}
        />
      </label>
    </form>
  );
}
