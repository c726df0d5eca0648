// A step's text made of its tokens: pointer or arrow keys choose one, and the panel below tells its log-prob and the alternatives.

import { signal } from "@preact/signals";
import type { Token } from "./scored-text.ts";

interface Inspected {
  token: Token;
  /** Which text, and which of its tokens. */
  owner: string;
  index: number;
}

export const inspected = signal<Inspected | undefined>(undefined);

/** `name` is unique on the page. */
export function TokenText({ tokens, name, label }: { tokens: readonly Token[]; name: string; label: string }) {
  const shown = inspected.value?.owner === name ? inspected.value.index : -1;
  const choose = (index: number): void => {
    const token = tokens[index];
    if (token !== undefined) inspected.value = { token, owner: name, index };
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const last = tokens.length - 1;
    const places: Readonly<Record<string, number>> = {
      ArrowRight: shown + 1,
      ArrowLeft: shown - 1,
      Home: 0,
      End: last,
    };
    const place = places[event.key];
    if (place === undefined) return;
    event.preventDefault();
    choose(Math.min(last, Math.max(0, place)));
  };
  return (
    <span
      class="tokens"
      role="listbox"
      tabIndex={0}
      aria-label={label}
      aria-activedescendant={shown < 0 ? undefined : `${name}-${shown}`}
      onFocus={() => shown < 0 && choose(0)}
      onKeyDown={onKeyDown}
    >
      {tokens.map((token, index) => (
        <span
          key={`${index} ${token.text}`}
          id={`${name}-${index}`}
          role="option"
          tabIndex={-1}
          aria-selected={index === shown}
          class={index === shown ? "token shown" : "token"}
          aria-label={token.text.trim() === "" ? nameOf(token.text) : undefined}
          onPointerEnter={() => choose(index)}
        >
          {token.text.replace("\n", "")}
        </span>
      ))}
    </span>
  );
}

/** What is known of the chosen token. */
export function TokenPanel() {
  const known = inspected.value?.token;
  return (
    <div class="token-panel" role="status" aria-label="Chosen token">
      {known === undefined ? (
        <p class="soft">
          Point at a word, or focus a step and use the arrow keys, to see its log-probability and what else was likely.
        </p>
      ) : (
        <>
          <p>
            <TokenName text={known.text} /> log-prob <b>{digits(known.logprob)}</b> ({percent(known.logprob)})
            {known.top.length > 0 && <span class="soft">; likeliest here:</span>}
          </p>
          {known.top.length > 0 && (
            <ul>
              {known.top.map(({ text, logprob }, index) => (
                <li key={index} style={{ "--share": Math.exp(logprob) }}>
                  <TokenName text={text} /> {digits(logprob)} <span class="soft">{percent(logprob)}</span>
                  <i class="bar" aria-hidden="true" />
                </li>
              ))}
            </ul>
          )}
        </>
      )}
    </div>
  );
}

function TokenName({ text }: { text: string }) {
  return <code>{nameOf(text)}</code>;
}

function nameOf(text: string): string {
  if (text === "") return "no text";
  // a space that begins a word is seen
  return text === "\n" ? "new line" : JSON.stringify(text).slice(1, -1).replace(/^ /, "␣");
}

/** Without the sign of a rounded nothing. */
function digits(logprob: number): string {
  return logprob.toFixed(3).replace(/^-(?=0\.000$)/, "");
}

function percent(logprob: number): string {
  return `${(100 * Math.exp(logprob)).toFixed(1)} %`;
}
