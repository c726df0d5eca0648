// TGI's stream: one event a token, the last with the whole text and the details. With `score_steps`, an event named "step" as each step
// is complete and scored. A search streams what it has settled on, and after each round an event named "round"; beams stream their best
// text when they are done.

import { InputError } from "../../shared/errors.ts";
import type { GeneratedToken } from "../engine/generate.ts";
import type { AppDeps } from "../http/app-env.ts";
import type { Call } from "../http/call.ts";
import { namingFields } from "../http/field-names.ts";
import { meter } from "../http/meter.ts";
import { type Send, streamEvents } from "../http/sse.ts";
import { solve } from "../search/solve.ts";
import {
  answerOf,
  fieldNamesOf,
  type GenerateBody,
  isDrawn,
  optionsOf,
  promptOf,
  tgiToken,
  tgiTopTokens,
} from "./generate.ts";
import { createStepScorer, type StepScore } from "./step-scores.ts";
import { unknownTokens, warningsOf } from "./unknown-warning.ts";

/** Answers with the events of one generation. Throws as the engine does while nothing was sent. */
export async function streamGenerate(deps: AppDeps, body: GenerateBody, call: Call): Promise<Response> {
  const { best_of: bestOf, num_beams: beams, search = null } = body.parameters ?? {};
  if ((bestOf ?? 1) > 1) throw noBestOf();
  const produce = search !== null || (beams ?? 1) > 1 ? sendSearch : sendOne;
  return streamEvents(deps, call, (send) => namingFields(fieldNamesOf(body), () => produce(deps, body, call, send)));
}

/** One text, as it is written. */
async function sendOne(deps: AppDeps, body: GenerateBody, call: Call, send: Send): Promise<void> {
  const parameters = body.parameters ?? {};
  const prompt = promptOf(body);
  const options = optionsOf(prompt, parameters);
  const steps =
    parameters.score_steps === true ? createStepScorer(deps, call, prompt, (step) => send(step, "step")) : undefined;
  const tokens = createTokenEvents(send);
  let text = options.prefix ?? "";
  const generation = await deps.engine.generate({
    ...options,
    signal: call.signal,
    onUsed: meter(deps, call),
    ...(parameters.queue_position === true && { onQueue: (position: number) => send({ position }, "queue") }),
    onToken(token) {
      tokens.add(token);
      text += token.text;
      steps?.grow(text);
    },
  });
  const [candidate] = generation.candidates;
  if (candidate === undefined) throw new TypeError("the engine generated nothing");
  await steps?.finish(candidate.text);
  tokens.end({
    generated_text: (parameters.return_full_text === true ? prompt : "") + candidate.text,
    details: {
      finish_reason: candidate.finishReason,
      generated_tokens: candidate.ids.length,
      input_length: generation.promptTokens,
      seed: isDrawn(parameters) ? options.seed : null,
      ...unknownTokens(generation.unknown),
    },
    ...warningsOf(generation.unknown),
  });
}

/** The text that a search or beams find; the last event has all that the answer has without a stream, but for the list of tokens. */
async function sendSearch(deps: AppDeps, body: GenerateBody, call: Call, send: Send): Promise<void> {
  const parameters = body.parameters ?? {};
  const options = optionsOf(promptOf(body), parameters);
  const tokens = createTokenEvents(send);
  let stepCount = 0;
  const sendSteps = (steps: readonly StepScore[]) => {
    for (const step of steps.slice(stepCount)) send(step, "step");
    stepCount = Math.max(stepCount, steps.length);
  };
  const watch = {
    onRound: (round: object) => send(round, "round"),
    onSettled(settled: readonly GeneratedToken[], steps: readonly StepScore[]) {
      tokens.addFrom(settled);
      sendSteps(steps);
    },
  };
  const solved = await solve(deps, call, options, { ...parameters, details: true, watch });
  const [best] = solved.solutions;
  if (best === undefined) throw new TypeError("the engine returned no candidate");
  tokens.addFrom(best.tokens);
  sendSteps(best.scores?.steps ?? []);
  const whole = { ...body, parameters: { ...parameters, details: false } };
  const { generated_text, finish_reason, ...rest } = answerOf(whole, solved, options.seed);
  tokens.end({
    generated_text,
    details: {
      finish_reason,
      generated_tokens: best.candidate.ids.length,
      input_length: solved.promptTokens,
      seed: isDrawn(parameters) ? options.seed : null,
      ...unknownTokens(solved.unknown),
    },
    ...rest,
  });
}

/** Sends an event a token: each once it is known whether it is the last. */
function createTokenEvents(send: Send) {
  let sent = 0;
  let held: GeneratedToken | undefined;
  const write = (token: GeneratedToken, rest: object): void => {
    sent += 1;
    const top = token.topTokens === undefined ? {} : { top_tokens: tgiTopTokens(token) };
    send({ index: sent, token: tgiToken(token), ...top, generated_text: null, details: null, ...rest });
  };
  const add = (token: GeneratedToken): void => {
    if (held !== undefined) write(held, {});
    held = token;
  };
  return {
    add,
    /** Of the text's tokens from its beginning, those that were not added yet. */
    addFrom(tokens: readonly GeneratedToken[]): void {
      for (const token of tokens.slice(sent + (held === undefined ? 0 : 1))) add(token);
    },
    end(rest: { generated_text: string; details: object; warnings?: object[] }): void {
      if (held === undefined) throw new TypeError("the engine generated nothing");
      write(held, rest);
    },
  };
}

function noBestOf(): InputError {
  return new InputError({
    code: "bad_request",
    what: "best_of chooses among whole texts, which a stream cannot",
    where: 'field "parameters.best_of"',
    fix: "Leave it out, send a search, or do not stream.",
  });
}
