// What the Data view holds: pairs of a file, read in this browser, their scores, and which of them are shown in which order. The file goes
// nowhere; its texts go to whoever scores them, when the person asks for it.

import { computed, signal } from "@preact/signals";
import * as z from "zod/mini";
import { type Aggregation, aggregateScores } from "../../shared/aggregate.ts";
import { type ApiFailure, toFailure } from "../api/failure.ts";
import type { PairFile, PairRecord } from "../api/pair-file.ts";
import { addressView } from "../state/address.ts";
import { aggregation, client } from "../state/session.ts";

export interface Row extends PairRecord {
  /** Step scores that were asked for; undefined while they were not. */
  scored: { chosen: readonly number[]; rejected: readonly number[] } | undefined;
}

/** A row as it is shown. */
export interface ShownRow {
  row: Row;
  chosen: number | null;
  rejected: number | null;
  margin: number | null;
}

export const SHOW = ["all", "reversed", "zero", "unscored"] as const;
export type Show = (typeof SHOW)[number];
export const ORDERS = ["line", "margin_up", "margin_down"] as const;
export type Order = (typeof ORDERS)[number];

export const fileName = signal("");
export const rows = signal<readonly Row[]>([]);
export const faults = signal<{ list: PairFile["faults"]; count: number; leftOut: number }>({
  list: [],
  count: 0,
  leftOut: 0,
});
export const show = signal<Show>("all");
export const order = signal<Order>("line");
export const words = signal("");
export const busy = signal<AbortController | undefined>(undefined);
export const failure = signal<ApiFailure | undefined>(undefined);

/** Requests at a time. */
const AT_ONCE = 4;

export function takeFile(file: PairFile, name: string): void {
  busy.value?.abort();
  fileName.value = name;
  rows.value = file.records.map((record) => ({ ...record, scored: undefined }));
  faults.value = { list: file.faults, count: file.faultCount, leftOut: file.leftOut };
  failure.value = undefined;
}

/** Scores of a row: those asked for, else the file's own. */
function shownOf(row: Row, how: Aggregation): ShownRow {
  const chosen = row.scored === undefined ? row.chosenScore : aggregateScores(row.scored.chosen, how);
  const rejected = row.scored === undefined ? row.rejectedScore : aggregateScores(row.scored.rejected, how);
  return { row, chosen, rejected, margin: chosen === null || rejected === null ? null : chosen - rejected };
}

/** All rows with their margins. */
export const judged = computed(() => rows.value.map((row) => shownOf(row, aggregation.value)));

/** Those that are shown, in order. */
export const shown = computed(() => {
  const wanted = words.value.toLowerCase();
  const kept = judged.value.filter(({ row, margin }) => {
    if (show.value === "reversed" && !(margin !== null && margin < 0)) return false;
    if (show.value === "zero" && margin !== 0) return false;
    if (show.value === "unscored" && margin !== null) return false;
    return wanted === "" || `${row.prompt}\n${row.chosen}\n${row.rejected}`.toLowerCase().includes(wanted);
  });
  if (order.value === "line") return kept;
  const sign = order.value === "margin_up" ? 1 : -1;
  return kept.sort(
    (a, b) => sign * ((a.margin ?? sign * Infinity) - (b.margin ?? sign * Infinity)) || a.row.line - b.row.line,
  );
});

const pairAnswer = z.object({ data: z.array(z.object({ steps: z.array(z.object({ score: z.number() })) })) });

/** Scores the rows that are shown and have no scores of this reward model yet, first to last, until stopped. */
export async function scoreRows(): Promise<void> {
  busy.value?.abort();
  const controller = new AbortController();
  busy.value = controller;
  failure.value = undefined;
  const asked = shown.value.map(({ row }) => row).filter(({ scored }) => scored === undefined);
  const next = asked.values();
  const done = new Map<Row, Row>();
  const tell = (): void => {
    if (busy.value !== controller) return;
    rows.value = rows.value.map((row) => done.get(row) ?? row);
    done.clear();
  };
  const timer = setInterval(tell, 300);
  const work = async (): Promise<void> => {
    for (const row of next) {
      const { prompt, chosen, rejected } = row;
      const { data } = await client.value.post("score", { prompt, chosen, rejected }, pairAnswer, controller.signal);
      const scores = data.map(({ steps }) => steps.map(({ score }) => score));
      done.set(row, { ...row, scored: { chosen: scores[0] ?? [], rejected: scores[1] ?? [] } });
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  } catch (error) {
    controller.abort();
    if (busy.value === controller) failure.value = toFailure(error);
  } finally {
    clearInterval(timer);
    tell();
    if (busy.value === controller) busy.value = undefined;
  }
}

export function stopScoring(): void {
  busy.value?.abort();
}

export const COLUMNS = ["prompt", "chosen", "rejected", "chosen_score", "rejected_score", "margin"] as const;

/** The shown rows as records of a file. */
export function recordsToSave(): Record<(typeof COLUMNS)[number], string | number | null>[] {
  return shown.value.map(({ row, chosen, rejected, margin }) => ({
    prompt: row.prompt,
    chosen: row.chosen,
    rejected: row.rejected,
    chosen_score: chosen,
    rejected_score: rejected,
    margin,
  }));
}

const savedShape = z.object({ show: z.enum(SHOW), order: z.enum(ORDERS), words: z.string() });

// the file itself stays here: an address has no room for it
addressView("data", {
  save: () => ({ show: show.value, order: order.value, words: words.value }),
  restore(saved) {
    const parsed = savedShape.safeParse(saved);
    if (!parsed.success) return;
    show.value = parsed.data.show;
    order.value = parsed.data.order;
    words.value = parsed.data.words;
  },
});
