// One text being written: what it was given, what it has, and what a row of logits adds to it. Nothing here knows of other rows.

import { rowRng } from "../../shared/row-rng.ts";
import type { LogitSettings, SamplingOptions } from "../../shared/sampling.ts";
import type { Model } from "./model.ts";
import { allowedLogits, createRandom, nextToken, tokenLogp } from "./next-token.ts";
import { endOfStop } from "./stop.ts";
import { likeliestTokens, type TopToken } from "./top-tokens.ts";

/** A token as it is drawn. */
export interface GeneratedToken {
  /** Which candidate it belongs to. */
  candidate: number;
  id: number;
  /** What it added to the text; "" while it is the beginning of a character that is not whole, and for a special token. */
  text: string;
  /** Natural-log probability under the model, before temperature and the other settings. */
  logp: number;
  /** The end of the text. */
  special: boolean;
  /** The likeliest tokens in its place, where they were asked for. */
  topTokens?: TopToken[];
}

export type FinishReason = "eos_token" | "length" | "stop_sequence";

/** How a text is written. */
export interface RowSettings {
  sampling: SamplingOptions;
  logits: LogitSettings;
  stop: readonly string[];
  /** Ids beside EOS that end the text. */
  stopIds: readonly number[];
  maxNewTokens: number;
  topTokens: number;
  /** Whether tokens are told one by one. */
  listens: boolean;
  /** Time after which the text ends, of `Date.now()`. */
  endsAt: number;
}

export interface Row {
  readonly candidate: number;
  readonly settings: RowSettings;
  readonly random: () => number;
  /** Ids that the text begins with, which were not drawn. */
  readonly forced: readonly number[];
  /** Positions that the decoder has read: the start token, what is forced, what was drawn. */
  length: number;
  ids: number[];
  tokenLogps: number[];
  /** Set once the row has ended. */
  finishReason?: FinishReason;
  /** Why the row cannot be written on. */
  failure?: { error: unknown };
  /** Text up to the end of the stop string. */
  stoppedText?: string;
  /** Drawn and not yet told. */
  untold: GeneratedToken[];
  /** Length of the text that was told. */
  toldLength: number;
}

/** A number, or seed, stream and sample of a rollout (row-rng.ts). */
export type Seed = number | readonly [seed: number, stream: number, sample: number];

/** A row at its start. `seed` begins its own random sequence; with a stream it is that of a rollout's sample. */
export function newRow(
  model: Model,
  options: { candidate: number; seed: Seed; forced: readonly number[]; settings: RowSettings },
): Row {
  const { candidate, seed, forced, settings } = options;
  const toldLength = forced.length === 0 ? 0 : model.tokenizer.decode(forced).length;
  const random = typeof seed === "number" ? createRandom(seed) : rowRng(...seed).next;
  return { candidate, settings, random, forced, length: 0, ids: [], tokenLogps: [], untold: [], toldLength };
}

/** Whether nothing more is written. */
export function hasEnded(row: Row): boolean {
  return row.finishReason !== undefined || row.failure !== undefined;
}

/** The id that the decoder reads next. */
export function nextInput({ config }: Model, { forced, ids, length }: Row): number {
  if (length === 0) return config.decoderStartTokenId;
  return forced[length - 1] ?? ids[length - 1 - forced.length] ?? config.padTokenId;
}

/** Takes the logits `[V]` after the id of `nextInput`; while the forced ids are read, they say nothing. */
export function advance(model: Model, row: Row, logits: Float32Array): void {
  row.length++;
  if (row.length <= row.forced.length) return;
  try {
    draw(model, row, logits);
  } catch (error) {
    row.failure = { error };
  }
}

/** The text so far, what was forced included. */
export function textOf({ tokenizer }: Model, { forced, ids, stoppedText }: Row): string {
  return stoppedText ?? tokenizer.decode([...forced, ...ids]);
}

function draw(model: Model, row: Row, logits: Float32Array): void {
  const { settings } = row;
  const { decoderStartTokenId: startId, eosTokenId } = model.config;
  const ids = [...row.forced, ...row.ids];
  const written = { startId, ids, newTokens: row.ids.length, endIds: [eosTokenId, ...settings.stopIds] };
  const id = nextToken(allowedLogits(logits, written, settings.logits), settings.sampling, row.random);
  const logp = tokenLogp(logits, id);
  row.ids.push(id);
  row.tokenLogps.push(logp);
  const special = id === eosTokenId;
  if (special) row.finishReason = "eos_token";
  else if (settings.stopIds.includes(id)) row.finishReason = "stop_sequence";
  else findStop(model, row);
  if (!hasEnded(row) && (row.ids.length >= settings.maxNewTokens || Date.now() >= settings.endsAt)) {
    row.finishReason = "length";
  }
  if (!settings.listens) return;
  const likeliest = { count: settings.topTokens, before: ids.at(-1) };
  const topTokens = settings.topTokens > 0 && { topTokens: likeliestTokens(model, logits, likeliest) };
  row.untold.push({ candidate: row.candidate, id, text: newText(model, row), logp, special, ...topTokens });
}

function findStop(model: Model, row: Row): void {
  const { stop } = row.settings;
  if (stop.length === 0) return;
  const start = row.forced.length === 0 ? 0 : model.tokenizer.decode(row.forced).length;
  const text = model.tokenizer.decode([...row.forced, ...row.ids]);
  const end = endOfStop(text.slice(start), stop);
  if (end === undefined) return;
  row.finishReason = "stop_sequence";
  row.stoppedText = text.slice(0, start + end);
}

/** Bytes at the end that are no whole character yet. */
const UNFINISHED = /\ufffd+$/u;

/** What the text has beyond what was told; a character that may still be completed is held over, until the text ends. */
function newText(model: Model, row: Row): string {
  const whole = textOf(model, row);
  const text = hasEnded(row) ? whole : whole.replace(UNFINISHED, "");
  const added = text.slice(row.toldLength);
  row.toldLength = Math.max(row.toldLength, text.length);
  return added;
}
