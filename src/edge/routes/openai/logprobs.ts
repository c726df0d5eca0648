// Log-probabilities of tokens in the two shapes of OpenAI's API. Special tokens, which add no text, are left out.

import type { GeneratedToken } from "../../engine/generate.ts";

/** Tokens that begin within the first `length` characters. */
function within(tokens: readonly GeneratedToken[], length: number): { token: GeneratedToken; offset: number }[] {
  let offset = 0;
  const kept: { token: GeneratedToken; offset: number }[] = [];
  for (const token of tokens) {
    if (!token.special && (offset < length || token.text === "")) kept.push({ token, offset });
    offset += token.text.length;
  }
  return kept;
}

/** `logprobs` of a completion; `start` is where its text begins. */
export function completionLogprobs(tokens: readonly GeneratedToken[], length: number, start = 0) {
  const kept = within(tokens, length);
  return {
    tokens: kept.map(({ token }) => token.text),
    token_logprobs: kept.map(({ token }) => token.logp),
    top_logprobs: kept.map(({ token }) =>
      token.topTokens === undefined ? null : Object.fromEntries(token.topTokens.map(({ text, logp }) => [text, logp])),
    ),
    text_offset: kept.map(({ offset }) => start + offset),
  };
}

/** `logprobs` of a chat's message. */
export function chatLogprobs(tokens: readonly GeneratedToken[], length: number) {
  return {
    content: within(tokens, length).map(({ token }) => ({
      ...chatToken(token.text, token.logp),
      top_logprobs: (token.topTokens ?? []).map(({ text, logp }) => chatToken(text, logp)),
    })),
    refusal: null,
  };
}

function chatToken(token: string, logprob: number) {
  return { token, logprob, bytes: [...new TextEncoder().encode(token)] };
}
