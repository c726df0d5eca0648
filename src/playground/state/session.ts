// Who answers, and with which key: shared by all views. The key lives here, in the page's memory, and nowhere else.

import { computed, effect, signal } from "@preact/signals";
import type { Aggregation } from "../../shared/aggregate.ts";
import type { Info } from "../api/answers.ts";
import { type Client, createClient, type Transport } from "../api/client.ts";
import { type ApiFailure, toFailure } from "../api/failure.ts";
import { closeLocal, localTransport } from "../local/local-model.ts";

/** The worker that served the page; the baseline beside it (`npm run playground`); this browser, on its processor or its GPU. */
export const ALL_SOURCES = ["worker", "baseline", "browser", "gpu"] as const;
export type Source = (typeof ALL_SOURCES)[number];
type Remote = Exclude<Source, "browser" | "gpu">;
export const SOURCE_NAMES: Readonly<Record<Source, string>> = {
  worker: "the worker",
  baseline: "the baseline",
  browser: "this browser",
  gpu: "this browser's GPU",
};

/** What the page asks: a worker, one with a baseline beside it, or nothing but files. */
const host = document.querySelector("meta[name=playground-host]")?.getAttribute("content") ?? "worker";
export const SOURCES: readonly Source[] =
  host === "static"
    ? ["browser"]
    : ALL_SOURCES.filter((each) => each !== "gpu" && (each !== "baseline" || host === "baseline"));
/** Those that can be chosen: the GPU is one of them once it was tried. */
export const sources = signal<readonly Source[]>(SOURCES);

export const apiKey = signal("");
export const source = signal<Source>(SOURCES[0] ?? "worker");
export const aggregation = signal<Aggregation>("mean");
/** What is known of the models of `source`. */
export const info = signal<Info | undefined>(undefined);
/** Characters that the model's vocabulary lacks, of the question that was answered last and of what was scored with it. */
export const lacking = signal<{ prompt: string; characters: readonly string[] }>({ prompt: "", characters: [] });
export const infoFailure = signal<ApiFailure | undefined>(undefined);

/** A worker's address: the folder of this page, or one in it. */
export function baseOf(at: Remote): URL {
  return new URL(at === "worker" ? "./" : "./baseline/", document.baseURI.replace(/[#?].*$/, ""));
}

function headersOf(key: string): Record<string, string> {
  return key === "" ? {} : { authorization: `Bearer ${key}` };
}

function overHttp(at: Remote, key: string): Transport {
  return (path, init) => {
    const json = init.body === undefined ? {} : { "content-type": "application/json" };
    return fetch(new URL(path, baseOf(at)), { ...init, headers: { ...json, ...headersOf(key) } });
  };
}

/** A client of one source, with the key of now. */
export function clientOf(at: Source): Client {
  const key = apiKey.value;
  const here = { base: baseOf("worker"), headers: headersOf(key) };
  const transport =
    at === "browser" || at === "gpu"
      ? localTransport({ ...here, device: at === "gpu" ? "gpu" : "processor" })
      : overHttp(at, key);
  return createClient(transport, (prompt, characters) => {
    lacking.value = { prompt, characters };
  });
}

export const client = computed(() => clientOf(source.value));

/** Asks again whenever source or key change; leaving the browser's model gives its memory back. */
export function followInfo(): void {
  effect(() => {
    const from = client.value;
    void refreshInfo(from);
  });
}

/** Asks for the models of the source again. */
export async function refreshInfo(from: Client = client.value): Promise<void> {
  infoFailure.value = undefined;
  try {
    const known = await from.info();
    if (from !== client.value) return;
    info.value = known;
    aggregation.value = known.aggregation;
  } catch (error) {
    if (from === client.value) infoFailure.value = toFailure(error);
  }
}

/** Runs the model on the browser's GPU, or on its processor again where that cannot be. */
export function tryGpu(): void {
  sources.value = [...SOURCES, "gpu"];
  chooseSource("gpu");
}

/** Chooses who answers. */
export function chooseSource(next: Source): void {
  const isHere = source.value === "browser" || source.value === "gpu";
  if (isHere && next !== source.value) closeLocal();
  source.value = next;
}
