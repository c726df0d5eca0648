// What the Compare view holds: one question, two completions with who wrote them and how, and the scores of both.

import { signal } from "@preact/signals";
import * as z from "zod/mini";
import { splitSteps } from "../../shared/steps.ts";
import { type ApiFailure, toFailure } from "../api/failure.ts";
import type { PairRecord } from "../api/pair-file.ts";
import { addressView } from "../state/address.ts";
import { ALL_SOURCES, client, clientOf, SOURCES, type Source, source, sources } from "../state/session.ts";
import { EXAMPLES } from "./ask-state.ts";

export const SIDES = ["left", "right"] as const;
export type Side = (typeof SIDES)[number];

export interface Completion {
  /** What the person calls it. */
  name: string;
  from: Source;
  temperature: number;
  seed: number;
  text: string;
  /** By step; empty until scored. */
  scores: readonly number[];
  /** How long it took to write. */
  ms: number | undefined;
}

const MAX_NEW_TOKENS = 200;
const hasBaseline = SOURCES.includes("baseline");
const blank = { text: "", scores: [], ms: undefined, seed: 1, temperature: 0 };

export const question = signal<string>(EXAMPLES[0].text);
export const sides = signal<Record<Side, Completion>>({
  left: { ...blank, name: hasBaseline ? "tuned" : "chosen", from: SOURCES[0] ?? "worker" },
  right: {
    ...blank,
    name: hasBaseline ? "baseline" : "rejected",
    from: hasBaseline ? "baseline" : (SOURCES[0] ?? "worker"),
    temperature: hasBaseline ? 0 : 1,
  },
});
export const busy = signal<AbortController | undefined>(undefined);
export const failure = signal<ApiFailure | undefined>(undefined);
/** Rows of a file that was opened here, and the one that is shown. */
export const rows = signal<{ records: readonly PairRecord[]; at: number } | undefined>(undefined);

export function setSide(side: Side, part: Partial<Completion>): void {
  const before = sides.value[side];
  const isNewText = part.text !== undefined && part.text !== before.text;
  sides.value = {
    ...sides.value,
    [side]: { ...before, ...(isNewText && { scores: [], ms: undefined }), ...part },
  };
}

/** Shows a row of a file; its scores are asked for. */
export function showPair({ prompt, chosen, rejected }: Pick<PairRecord, "prompt" | "chosen" | "rejected">): void {
  question.value = prompt;
  setSide("left", { text: chosen, scores: [], name: "chosen" });
  setSide("right", { text: rejected, scores: [], name: "rejected" });
  void scoreBoth();
}

async function work(task: (signal: AbortSignal) => Promise<void>): Promise<void> {
  busy.value?.abort();
  const controller = new AbortController();
  busy.value = controller;
  failure.value = undefined;
  try {
    await task(controller.signal);
  } catch (error) {
    if (busy.value === controller) failure.value = toFailure(error);
  } finally {
    if (busy.value === controller) busy.value = undefined;
  }
}

export function stopWork(): void {
  busy.value?.abort();
}

const writtenShape = z.object({ generated_text: z.string() });

async function write(side: Side, signal: AbortSignal): Promise<void> {
  const { from, temperature, seed } = sides.value[side];
  const sampling = temperature > 0 ? { temperature, seed } : {};
  const body = { inputs: question.value, parameters: { max_new_tokens: MAX_NEW_TOKENS, ...sampling } };
  const began = performance.now();
  const { generated_text: text } = await clientOf(from).post("generate", body, writtenShape, signal);
  setSide(side, { text, scores: [], ms: performance.now() - began });
}

async function score(signal: AbortSignal): Promise<void> {
  const asked = SIDES.filter((side) => splitSteps(sides.value[side].text).length > 0);
  if (asked.length === 0) return;
  const completions = asked.map((side) => sides.value[side].text);
  // one reward model for both: else the scores could not be compared
  const judge = source.value === "baseline" ? clientOf("worker") : client.value;
  const scored = await judge.score({ prompt: question.value, completions }, signal);
  asked.forEach((side, at) => {
    if (sides.value[side].text !== completions[at]) return;
    setSide(side, { scores: scored[at]?.steps.map((step) => step.score) ?? [] });
  });
}

export function scoreBoth(): Promise<void> {
  return work(score);
}

/** Writes both sides, one after the other, and scores them. */
export function writeBoth(): Promise<void> {
  return work(async (signal) => {
    for (const side of SIDES) await write(side, signal);
    await score(signal);
  });
}

/** Writes one side and scores both. */
export function writeSide(side: Side): Promise<void> {
  return work(async (signal) => {
    await write(side, signal);
    await score(signal);
  });
}

const sideShape = z.object({
  name: z.string(),
  from: z.enum(ALL_SOURCES),
  temperature: z.number(),
  seed: z.number(),
  text: z.string(),
  scores: z.array(z.number()),
});
const savedShape = z.object({ question: z.string(), left: sideShape, right: sideShape });

addressView("compare", {
  save() {
    const { left, right } = sides.value;
    return { question: question.value, left: { ...left, ms: undefined }, right: { ...right, ms: undefined } };
  },
  restore(saved) {
    const parsed = savedShape.safeParse(saved);
    if (!parsed.success) return;
    const { left, right } = parsed.data;
    const known = (from: Source): Source => (sources.value.includes(from) ? from : (SOURCES[0] ?? "worker"));
    question.value = parsed.data.question;
    sides.value = {
      left: { ...left, from: known(left.from), ms: undefined },
      right: { ...right, from: known(right.from), ms: undefined },
    };
  },
});
