// The model in this browser, as the page sees it: opened at the first request, told how far it is, asked like a worker.

import { signal } from "@preact/signals";
import * as z from "zod/mini";
import type { Transport } from "../api/client.ts";
import { ApiFailure, failureOf, toFailure } from "../api/failure.ts";
import type { Asked, Device, Told } from "./messages.ts";
import type { Progress } from "./model-files.ts";

export type LocalState =
  | { state: "closed" }
  | { state: "opening"; progress: Progress | undefined }
  | {
      state: "open";
      ms: number;
      threads: number;
      progress: Progress | undefined;
      device: Device;
      instead?: string | undefined;
    }
  | { state: "failed"; failure: ApiFailure };

export const local = signal<LocalState>({ state: "closed" });

/** Threads that the page may have: more than one only where it is cross-origin isolated. */
export function threadsHere(): number {
  return globalThis.crossOriginIsolated ? Math.max(1, Math.min(4, navigator.hardwareConcurrency)) : 1;
}

const indexShape = z.object({
  policy: z.string(),
  reward: z.string(),
  dtype: z.string(),
  judge_context: z.string(),
  aggregation: z.string(),
});

interface Waiting {
  resolve: (response: Response) => void;
  reject: (error: unknown) => void;
  controller: ReadableStreamDefaultController<Uint8Array> | undefined;
}

/** So long nothing may be heard while the model opens. */
const SILENCE_MS = 45_000;

let thread: { device: Device; opened: Promise<Worker> } | undefined;
let worker: Worker | undefined;
/** Which opening is the one of now: what is told of an earlier one means nothing. */
let opening = 0;
let lastId = 0;
const waiting = new Map<number, Waiting>();
/** Ends the wait for a model that is being opened. */
let giveUp: ((error: unknown) => void) | undefined;

/** Requests without an answer, and answers without an end, get this one. */
function endWaiting(error: unknown): void {
  for (const { reject, controller } of waiting.values()) {
    reject(error);
    controller?.error(error);
  }
  waiting.clear();
}

/** Ends the thread and gives its memory back. */
export function closeLocal(): void {
  opening++;
  worker?.terminate();
  worker = undefined;
  thread = undefined;
  const error = new DOMException("", "AbortError");
  giveUp?.(error);
  giveUp = undefined;
  endWaiting(error);
  local.value = { state: "closed" };
}

/** Which model, from where, on what. */
export interface LocalModel {
  /** The folders of the models lie below it. */
  base: URL;
  headers: Record<string, string>;
  device: Device;
}

/** Opens a model; asked again, it is the same one, and on another device takes its place. Throws ApiFailure. */
function openLocal(model: LocalModel): Promise<Worker> {
  if (thread !== undefined && thread.device !== model.device) closeLocal();
  thread ??= { device: model.device, opened: openOnce(model) };
  return thread.opened;
}

async function openOnce(model: LocalModel): Promise<Worker> {
  const mine = ++opening;
  try {
    return await open(model);
  } catch (error) {
    const failure = toFailure(error);
    if (mine === opening) {
      closeLocal();
      local.value = { state: "failed", failure };
    }
    throw failure;
  }
}

async function open({ base, headers, device }: LocalModel): Promise<Worker> {
  local.value = { state: "opening", progress: undefined };
  const models = new URL("models/", base);
  const response = await fetch(new URL("index.json", models), { headers });
  if (!response.ok) throw await failureOf(response);
  const index = indexShape.parse(await response.json());
  const threads = threadsHere();
  const started = new Worker(new URL("./thread.ts", import.meta.url), { type: "module" });
  worker = started;
  let progress: Progress | undefined;
  await new Promise<void>((resolve, reject) => {
    let silence: ReturnType<typeof setTimeout> | undefined;
    giveUp = (error) => {
      clearTimeout(silence);
      reject(error);
    };
    const fail = (failure: ApiFailure): void => {
      clearTimeout(silence);
      // while it opens, whoever waits for that tells
      reject(failure);
      if (worker !== started || local.value.state !== "open") return;
      endWaiting(failure);
      closeLocal();
      local.value = { state: "failed", failure };
    };
    const heard = (): void => {
      clearTimeout(silence);
      silence = setTimeout(() => reject(tooSilent()), SILENCE_MS);
    };
    heard();
    started.addEventListener("error", () =>
      fail(new ApiFailure("fault", "the thread of the model could not start, or broke off.")),
    );
    started.addEventListener("message", ({ data }: MessageEvent<Told>) => {
      if (data.type === "progress") {
        heard();
        progress = data.progress;
        local.value = { state: "opening", progress };
      } else if (data.type === "opened") {
        const { ms, instead } = data;
        const used = instead === undefined ? device : "processor";
        local.value = { state: "open", ms, threads, progress, device: used, instead };
        clearTimeout(silence);
        resolve();
      } else if (data.type === "failed") {
        fail(new ApiFailure(data.code === "model_too_large" ? "too_large" : "fault", data.message));
      } else receive(data);
    });
    const files = new URL("playground/", base).href;
    post(started, { type: "open", device, base: models.href, files, headers, index, threads });
  });
  return started;
}

function tooSilent(): ApiFailure {
  return new ApiFailure("too_large", `the model did not open: nothing was heard of it for ${SILENCE_MS / 1000} s.`);
}

function post(to: Worker, asked: Asked): void {
  to.postMessage(asked);
}

function receive(told: Exclude<Told, { type: "progress" | "opened" | "failed" }>): void {
  const one = waiting.get(told.id);
  if (one === undefined) return;
  if (told.type === "head") {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        one.controller = controller;
      },
      cancel() {
        if (worker !== undefined) post(worker, { type: "abort", id: told.id });
        waiting.delete(told.id);
      },
    });
    one.resolve(new Response(body, { status: told.status, headers: told.headers }));
  } else if (told.type === "chunk") one.controller?.enqueue(told.bytes);
  else {
    waiting.delete(told.id);
    if (told.type === "end") one.controller?.close();
    else if (one.controller === undefined) one.reject(new ApiFailure("fault", told.message));
    else one.controller.error(new ApiFailure("fault", told.message));
  }
}

/** Requests to the model in this browser, opened if need be; answers and throws as fetch does. */
export function localTransport(model: LocalModel): Transport {
  return async (path, { method = "GET", body, signal: stop }) => {
    const to = await openLocal(model);
    stop?.throwIfAborted();
    const id = ++lastId;
    return new Promise<Response>((resolve, reject) => {
      const one: Waiting = { resolve, reject, controller: undefined };
      waiting.set(id, one);
      stop?.addEventListener(
        "abort",
        () => {
          if (!waiting.delete(id)) return;
          post(to, { type: "abort", id });
          const error = new DOMException("", "AbortError");
          reject(error);
          one.controller?.error(error);
        },
        { once: true },
      );
      post(to, { type: "request", id, path, method, body: typeof body === "string" ? body : undefined });
    });
  };
}
