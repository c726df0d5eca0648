// Who answers, and with which key: shared by all views. The key lives here, in the page's memory, and nowhere else.

import { computed, effect, signal } from "@preact/signals";
import type { Aggregation } from "../../shared/aggregate.ts";
import type { Info } from "../api/answers.ts";
import { type Client, createClient, type Transport } from "../api/client.ts";
import { type ApiFailure, toFailure } from "../api/failure.ts";

/** The worker that served the page; the baseline beside it (`npm run playground`); this browser. */
export const SOURCES = ["worker", "baseline", "browser"] as const;
export type Source = (typeof SOURCES)[number];

export const apiKey = signal("");
export const source = signal<Source>("worker");
export const aggregation = signal<Aggregation>("mean");
/** What is known of the models behind `source`. */
export const info = signal<Info | undefined>(undefined);
export const infoFailure = signal<ApiFailure | undefined>(undefined);

/** A worker's address: the folder of this page, or one in it. */
export function baseOf(at: "worker" | "baseline"): URL {
  return new URL(at === "worker" ? "./" : "./baseline/", document.baseURI.replace(/[#?].*$/, ""));
}

function overHttp(at: "worker" | "baseline", key: string): Transport {
  return (path, init) => {
    const headers = new Headers(init.headers);
    if (init.body !== undefined) headers.set("content-type", "application/json");
    if (key !== "") headers.set("authorization", `Bearer ${key}`);
    return fetch(new URL(path, baseOf(at)), { ...init, headers });
  };
}

/** A client of one source, with the key of now. */
export function clientOf(at: Source): Client {
  return createClient(overHttp(at === "browser" ? "worker" : at, apiKey.value));
}

export const client = computed(() => clientOf(source.value));

/** Asks again whenever source or key change. */
export function followInfo(): void {
  effect(() => {
    void refreshInfo(client.value);
  });
}

async function refreshInfo(from: Client): Promise<void> {
  try {
    const known = await from.info();
    if (from !== client.value) return;
    info.value = known;
    infoFailure.value = undefined;
    aggregation.value = known.aggregation;
  } catch (error) {
    if (from === client.value) infoFailure.value = toFailure(error);
  }
}
