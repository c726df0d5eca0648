// A thread of the browser that is a worker: the same app, the same engine, the same graphs. Requests come as messages, answers go back in
// pieces as they are written.

import { type App, createApp } from "../../edge/app.ts";
import { createEngine, type Engine } from "../../edge/engine/engine.ts";
import type { Runtime } from "../../edge/engine/runtime.ts";
import { parseSettings } from "../../edge/env.ts";
import { createMetrics } from "../../edge/http/metrics.ts";
import { StepwiseError } from "../../shared/errors.ts";
import { NO_MEMORY } from "./browser-runtime.ts";
import type { Asked, OpenMessage, RequestMessage, Told } from "./messages.ts";
import { openModelFiles, type Progress } from "./model-files.ts";

let app: App | undefined;
const running = new Map<number, AbortController>();

const tell = (told: Told, transfer: Transferable[] = []): void => postMessage(told, { transfer });

addEventListener("message", ({ data }: MessageEvent<Asked>) => {
  if (data.type === "open") void open(data).catch(tellFailure);
  else if (data.type === "abort") running.get(data.id)?.abort();
  else void answer(data);
});

// the runtime's own threads report what they cannot do here, or not at all
addEventListener("unhandledrejection", ({ reason }) => tellFailure(reason));
addEventListener("error", ({ error, message }) => tellFailure(error ?? new Error(message)));

async function open({ base, files, headers, index, threads, device }: OpenMessage): Promise<void> {
  const began = performance.now();
  const settings = parseSettings({
    POLICY_MODEL: index.policy,
    REWARD_MODEL: index.reward,
    DTYPE: index.dtype,
    JUDGE_CONTEXT: index.judge_context,
    AGGREGATION: index.aggregation,
  });
  const folders = [...new Set([index.policy, index.reward])];
  let progress: Progress = { loaded: 0, total: 0, cached: 0 };
  const onProgress = (next: Progress): void => {
    progress = next;
    tell({ type: "progress", progress });
  };
  const store = await openModelFiles({ base: new URL(base), headers, folders, dtype: index.dtype, onProgress });
  const engineOn = (runtime: Runtime): Engine =>
    createEngine({
      store,
      runtime,
      policy: settings.POLICY_MODEL,
      reward: settings.REWARD_MODEL,
      dtype: settings.DTYPE,
      maxWaiting: settings.MAX_WAITING,
    });
  const where = new URL(files);
  let instead: string | undefined;
  let engine: Engine | undefined;
  if (device === "gpu") {
    const { openOnGpu } = await import("./gpu/open-on-gpu.ts");
    engine = await openOnGpu({ files: where, engineOn, onBeat: () => onProgress(progress) }).catch((error: unknown) => {
      instead = error instanceof StepwiseError ? error.what : String(error);
      return undefined;
    });
  }
  if (engine === undefined) {
    const { startProcessor } = await import("./processor.ts");
    engine = engineOn(await startProcessor(where, threads));
    await engine.load();
  }
  app = createApp({ engine, settings, metrics: createMetrics(), log: () => undefined });
  tell({ type: "opened", ms: performance.now() - began, instead });
}

function tellFailure(error: unknown): void {
  const code =
    error instanceof StepwiseError ? error.code : NO_MEMORY.test(String(error)) ? "model_too_large" : "fault";
  tell({ type: "failed", code, message: error instanceof Error ? error.message : String(error) });
}

async function answer({ id, path, method, body }: RequestMessage): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    if (app === undefined) throw new Error("the model is not open.");
    const { signal } = controller;
    const init = { method, signal, ...(body !== undefined && { body }) };
    const response = await app.fetch(new Request(new URL(path, "http://browser.local/"), init));
    tell({ type: "head", id, status: response.status, headers: [...response.headers] });
    const reader = response.body?.getReader();
    signal.addEventListener("abort", () => void reader?.cancel().catch(() => undefined), { once: true });
    for (let next = await reader?.read(); next !== undefined && !next.done; next = await reader?.read()) {
      const bytes = next.value.slice();
      tell({ type: "chunk", id, bytes }, [bytes.buffer]);
    }
    tell({ type: "end", id });
  } catch (error) {
    tell({ type: "broken", id, message: error instanceof Error ? error.message : String(error) });
  } finally {
    running.delete(id);
  }
}
