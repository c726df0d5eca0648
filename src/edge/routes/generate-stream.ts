// TGI's stream: one event a token, the last with the whole text and the details. With `score_steps`, an event named "step" as each step
// is complete and scored.

import { InputError } from "../../shared/errors.ts";
import type { GeneratedToken } from "../engine/generate.ts";
import type { AppDeps } from "../http/app-env.ts";
import type { Call } from "../http/call.ts";
import { meter } from "../http/meter.ts";
import { streamEvents } from "../http/sse.ts";
import { type GenerateBody, optionsOf, promptOf, tgiToken, tgiTopTokens, usageOf } from "./generate.ts";
import { createStepScorer } from "./step-scores.ts";

/** Answers with the events of one generation. Throws as the engine does while nothing was sent. */
export function streamGenerate(deps: AppDeps, body: GenerateBody, call: Call): Promise<Response> {
  const parameters = body.parameters ?? {};
  const prompt = promptOf(body);
  const options = optionsOf(prompt, parameters);
  const several = (["best_of", "num_beams"] as const).find((field) => (parameters[field] ?? 1) > 1);
  if (several !== undefined || (parameters.search ?? null) !== null) throw oneText(several ?? "search");
  return streamEvents(deps, call, async (send) => {
    const steps =
      parameters.score_steps === true ? createStepScorer(deps, call, prompt, (step) => send(step, "step")) : undefined;
    const sendToken = (token: GeneratedToken, rest: { generated_text: string | null; details: unknown }) => {
      const top = token.topTokens === undefined ? {} : { top_tokens: tgiTopTokens(token) };
      send({ index: ++index, token: tgiToken(token), ...top, ...rest });
    };
    let index = 0;
    let text = options.prefix ?? "";
    // a token is sent once it is known whether it is the last
    let last: GeneratedToken | undefined;
    const generation = await deps.engine.generate({
      ...options,
      signal: call.signal,
      onToken(token) {
        if (last !== undefined) sendToken(last, { generated_text: null, details: null });
        last = token;
        text += token.text;
        steps?.grow(text);
      },
    });
    const usage = usageOf(generation);
    meter(deps, call, { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens });
    const [candidate] = generation.candidates;
    if (candidate === undefined || last === undefined) throw new TypeError("the engine generated nothing");
    await steps?.finish(candidate.text);
    sendToken(last, {
      generated_text: (parameters.return_full_text === true ? prompt : "") + candidate.text,
      details: {
        finish_reason: candidate.finishReason,
        generated_tokens: candidate.ids.length,
        input_length: generation.promptTokens,
        seed: options.sampling.doSample ? options.seed : null,
      },
    });
  });
}

function oneText(field: string): InputError {
  return new InputError({
    code: "bad_request",
    what: "a stream has one text, not several to choose from",
    where: `field "parameters.${field}"`,
    fix: "Leave it out, or do not stream.",
  });
}
