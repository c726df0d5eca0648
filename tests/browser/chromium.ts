// A real Chromium without any package: started headless, driven by its DevTools protocol over two pipes (NUL-separated JSON).

import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";

type Json = Record<string, unknown>;

export interface Page {
  /** Calls a method of the protocol and gives its result. */
  call(method: string, params?: Json): Promise<Json>;
  /** Waits for the next event of this name; ask before what brings it about. */
  next(method: string): Promise<Json>;
  /** The value of an expression in the page. */
  evaluate(expression: string): Promise<unknown>;
  /** Every event so far. */
  events: { method: string; params: Json }[];
}

export interface Chromium {
  openPage(): Promise<Page>;
  close(): Promise<void>;
}

/** CHROME_PATH, or a Chromium or Chrome on the PATH; undefined where there is none that runs. */
export function findChromium(): string | undefined {
  const names = process.env.CHROME_PATH ? [process.env.CHROME_PATH] : ["chromium", "chromium-browser", "google-chrome"];
  return names.find((name) => spawnSync(name, ["--version"], { timeout: 20_000 }).status === 0);
}

const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);
const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** Starts the browser with a profile of its own; the caller closes it. */
export async function startChromium(executable: string): Promise<Chromium> {
  const profile = await mkdtemp(join(tmpdir(), "chromium-"));
  const asRoot = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const args = [
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
  ];
  const child = spawn(executable, [...args, ...asRoot, `--user-data-dir=${profile}`, "--remote-debugging-pipe"], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const [, , , input, output] = child.stdio;
  if (!(input instanceof Writable) || !(output instanceof Readable)) throw new Error("the browser has no pipes");
  const commands: Writable = input;

  let lastId = 0;
  const answers = new Map<number, { resolve: (result: Json) => void; reject: (error: Error) => void }>();
  const listeners = new Map<string, (method: string, params: Json) => void>();
  void exited.then(() => {
    for (const { reject } of answers.values()) reject(new Error("the browser has ended"));
  });
  let rest = "";
  output.setEncoding("utf8").on("data", (chunk: string) => {
    const messages = (rest + chunk).split("\0");
    rest = messages.pop() ?? "";
    for (const message of messages) receive(JSON.parse(message));
  });

  function receive(message: unknown): void {
    if (!isJson(message)) return;
    if (typeof message.id !== "number") {
      listeners.get(textOf(message.sessionId))?.(textOf(message.method), isJson(message.params) ? message.params : {});
      return;
    }
    const answer = answers.get(message.id);
    answers.delete(message.id);
    if (isJson(message.error)) answer?.reject(new Error(textOf(message.error.message)));
    else answer?.resolve(isJson(message.result) ? message.result : {});
  }

  function send(method: string, params: Json = {}, sessionId?: string): Promise<Json> {
    const id = ++lastId;
    commands.write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`);
    return new Promise((resolve, reject) => answers.set(id, { resolve, reject }));
  }

  return {
    async openPage() {
      const { targetId } = await send("Target.createTarget", { url: "about:blank" });
      const session = textOf((await send("Target.attachToTarget", { targetId, flatten: true })).sessionId);
      const events: Page["events"] = [];
      const waiting = new Map<string, (params: Json) => void>();
      listeners.set(session, (method, params) => {
        events.push({ method, params });
        waiting.get(method)?.(params);
        waiting.delete(method);
      });
      return {
        events,
        call: (method, params) => send(method, params, session),
        next: (method) => new Promise((resolve) => waiting.set(method, resolve)),
        async evaluate(expression) {
          const { result } = await send("Runtime.evaluate", { expression, returnByValue: true }, session);
          return isJson(result) ? result.value : undefined;
        },
      };
    },
    async close() {
      await Promise.race([send("Browser.close").catch(() => undefined), exited]);
      const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
      await exited;
      clearTimeout(timer);
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
