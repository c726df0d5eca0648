// What the Best of N view holds: samples of one question in the order of their scores with the vote over their answers, or the tree of a
// step search as it grows.

import { signal } from "@preact/signals";
import * as z from "zod/mini";
import { type SearchNode, STEP_SEARCHES } from "../../shared/search/step-search.ts";
import { ApiFailure, toFailure } from "../api/failure.ts";
import { addressView } from "../state/address.ts";
import { aggregation, client } from "../state/session.ts";
import { EXAMPLES } from "./ask-state.ts";

export const WAYS = ["samples", ...STEP_SEARCHES] as const;
export type Way = (typeof WAYS)[number];

const settingsShape = z.object({
  way: z.enum(WAYS),
  /** Samples. */
  n: z.number(),
  temperature: z.number(),
  seed: z.number(),
  /** Of a search. */
  width: z.number(),
  expand: z.number(),
});
export type BestOfSettings = z.infer<typeof settingsShape>;

const step = z.object({ text: z.string(), score: z.number() });
const solution = z.object({ generated_text: z.string(), score: z.nullable(z.number()), steps: z.array(step) });
export type Solution = z.infer<typeof solution>;
const vote = z.object({ answer: z.string(), share: z.number(), votes: z.number() });
export type Vote = z.infer<typeof vote>;
const samplesAnswer = z.object({ sequences: z.array(solution), votes: z.array(vote) });

const roundShape = z.object({
  round: z.number(),
  nodes: z.array(
    z.object({
      id: z.number(),
      parent: z.number(),
      text: z.string(),
      score: z.nullable(z.number()),
      finished: z.boolean(),
    }),
  ),
  kept: z.array(z.number()),
});
const searchAnswer = z.extend(solution, { search: z.object({ rounds: z.number(), tokens: z.number() }) });

/** A search's tree so far. */
export interface Tree {
  nodes: readonly (SearchNode & { round: number })[];
  kept: ReadonlySet<number>;
  /** The answer, once there is one. */
  best: z.infer<typeof searchAnswer> | undefined;
}

export const question = signal<string>(EXAMPLES[0].text);
export const settings = signal<BestOfSettings>({ way: "samples", n: 8, temperature: 1, seed: 1, width: 2, expand: 4 });
export const samples = signal<{ solutions: readonly Solution[]; votes: readonly Vote[] } | undefined>(undefined);
export const tree = signal<Tree | undefined>(undefined);
export const busy = signal<AbortController | undefined>(undefined);
export const failure = signal<ApiFailure | undefined>(undefined);
export const tookMs = signal<number | undefined>(undefined);

const MAX_NEW_TOKENS = 200;
const BUDGET_TOKENS = 1024;

/** The body of the request that the view sends. */
function bestOfBody() {
  const { way, n, temperature, seed, width, expand } = settings.value;
  const shared = {
    temperature,
    seed,
    max_new_tokens: MAX_NEW_TOKENS,
    score_steps: true,
    aggregation: aggregation.value,
  };
  if (way === "samples") {
    return { inputs: question.value, parameters: { ...shared, best_of: n, n, rank_by: "score", vote: "weighted" } };
  }
  const search = { type: way, width, expand, budget_tokens: BUDGET_TOKENS };
  return { inputs: question.value, parameters: { ...shared, search } };
}

export async function find(): Promise<void> {
  busy.value?.abort();
  const controller = new AbortController();
  busy.value = controller;
  failure.value = undefined;
  const began = performance.now();
  try {
    if (settings.value.way === "samples") await sample(controller.signal);
    else await search(controller.signal);
    tookMs.value = performance.now() - began;
  } catch (error) {
    if (busy.value === controller) failure.value = toFailure(error);
  } finally {
    if (busy.value === controller) busy.value = undefined;
  }
}

export function stopFinding(): void {
  busy.value?.abort();
}

async function sample(stop: AbortSignal): Promise<void> {
  const { sequences, votes } = await client.value.post("generate", bestOfBody(), samplesAnswer, stop);
  samples.value = { solutions: sequences, votes };
}

async function search(stop: AbortSignal): Promise<void> {
  let grown: Tree = { nodes: [], kept: new Set(), best: undefined };
  tree.value = grown;
  for await (const { event, data } of client.value.events(bestOfBody(), stop)) {
    if (event === "round") {
      const round = roundShape.parse(data);
      const added = round.nodes.map((node) => ({ ...node, round: round.round }));
      grown = { nodes: [...grown.nodes, ...added], kept: new Set(round.kept), best: undefined };
    } else if (event === "message") {
      // tokens of what is settled come first; the last has the whole answer
      const whole = searchAnswer.safeParse(data);
      if (whole.success) grown = { ...grown, best: whole.data };
    }
    tree.value = grown;
  }
  if (grown.best === undefined) throw new ApiFailure("lost", "the stream broke off before the search was done.");
}

const savedShape = z.object({ question: z.string(), settings: settingsShape });

addressView("best-of", {
  save: () => ({ question: question.value, settings: settings.value }),
  restore(saved) {
    const parsed = savedShape.safeParse(saved);
    if (!parsed.success) return;
    question.value = parsed.data.question;
    settings.value = parsed.data.settings;
  },
});
