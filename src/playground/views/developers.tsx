// For developers: the request of the Ask view as code, the models' card and limits, and the whole state as an address.

import { useSignal } from "@preact/signals";
import type { Info } from "../api/answers.ts";
import { copyText } from "../state/copy-text.ts";
import { apiKey, baseOf, info, SOURCES } from "../state/session.ts";
import { snippetsOf } from "../state/snippets.ts";
import { askBody } from "./ask-state.ts";

export function Developers() {
  const base = baseOf("worker").href.replace(/\/$/, "");
  const known = info.value;
  return (
    <>
      <h2 class="hidden">For developers</h2>
      {SOURCES.includes("worker") && (
        <section class="answer" aria-labelledby="code">
          <h2 id="code">The request of “Ask” as code</h2>
          <p class="soft">
            The API is described at <a href={`${base}/docs`}>/docs</a>.
          </p>
          {snippetsOf(base, askBody(), apiKey.value !== "").map(({ name, code }) => (
            <Code key={name} name={name} code={code} />
          ))}
        </section>
      )}
      <p class="soft">
        “Copy link” copies the address with all that a view shows. It stands after “#”, which is sent to no server; a
        key is never part of it.
      </p>
      {known !== undefined && <Card info={known} />}
    </>
  );
}

function Code({ name, code }: { name: string; code: string }) {
  const said = useSignal("");
  return (
    <div class="code">
      <div class="row">
        <h3>{name}</h3>
        <button
          type="button"
          class="quiet"
          aria-label={`Copy as ${name}`}
          onClick={async () => {
            said.value = await copyText(code);
          }}
        >
          Copy
        </button>
        <span role="status">{said.value}</span>
      </div>
      {/* biome-ignore-start lint/a11y: it scrolls, by keys too */}
      <pre tabIndex={0} role="region" aria-label={`Code: ${name}`}>
        {code}
      </pre>
      {/* biome-ignore-end lint/a11y: it scrolls, by keys too */}
    </div>
  );
}

function Card({ info: { policy, reward, ...rest } }: { info: Info }) {
  const size = (files: Info["policy"]["files"]): string =>
    `${(files.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6).toFixed(1)} MB in ${files.length} files`;
  const entries: [string, string][] = [
    ["Policy", `${policy.id}, ${policy.dtype}, ${size(policy.files)}, exported ${policy.created.slice(0, 10)}`],
    ["Reward model", `${reward.id} (${reward.type}), ${reward.dtype}, ${size(reward.files)}`],
    [
      "Limits",
      `${policy.max_source_tokens} tokens of prompt, ${policy.max_target_tokens} of answer; ${rest.max_body_bytes} bytes a request; ${rest.max_waiting_requests} requests wait`,
    ],
    ["Vocabulary", `${policy.vocab_size} tokens`],
    ["Template", rest.template_version],
    ["Aggregation", `${rest.aggregation}; the judge reads ${rest.judge_context}`],
  ];
  return (
    <section class="answer" aria-labelledby="card">
      <h2 id="card">The models</h2>
      <dl>
        {entries.map(([term, text]) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
