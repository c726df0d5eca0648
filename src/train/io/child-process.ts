// Work in a process of its own beside this one: requests that the parent sends, an answer to each, errors that arrive as they were thrown. A
// child that dies fails what it was asked; a child whose parent is gone ends. Typed arrays travel as they are.

import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import {
  ArtifactError,
  CapacityError,
  type ErrorParts,
  InputError,
  ShapeError,
  StepwiseError,
} from "../../shared/errors.ts";

/** A child that answers requests; the caller stops it. */
export interface Child<Request, Answer> {
  /**
   * Sends a request; resolves once it is handed over, so that this process may compute, with the answer to come. The answer rejects with
   * the child's own error, or CapacityError with the `code` of `startChild` where the child died or was stopped.
   */
  begin(request: Request): Promise<{ answer: Promise<Answer> }>;
  /** Sends a request and waits for its answer. */
  ask(request: Request): Promise<Answer>;
  stop(): void;
}

export interface ChildOptions {
  /** For messages: `scoring process`. */
  name: string;
  /** The error that says that it died: its code, and what to try. */
  code: string;
  fix: string;
  /** Variables beside those of this process. */
  env?: Readonly<Record<string, string>>;
  /** Open files that it gets too, as descriptors from FIRST_FILE on. */
  files?: readonly number[];
}

/** The descriptor of a child's first file: after its input, output, errors and messages. */
export const FIRST_FILE = 4;

interface Parcel<Request> {
  id: number;
  request: Request;
}

/** An error on its way between processes. */
interface SentError {
  kind: string;
  parts: Omit<ErrorParts, "cause">;
  /** Where a fault of the program was thrown. */
  stack?: string | undefined;
}

type Reply<Answer> = { id: number; answer: Answer } | { id: number; error: SentError };

/** Starts `module`, which calls `answerRequests`. */
export function startChild<Request, Answer>(module: URL, options: ChildOptions): Child<Request, Answer> {
  const { name, code, fix } = options;
  const child = fork(fileURLToPath(module), {
    serialization: "advanced",
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "inherit", "inherit", "ipc", ...(options.files ?? [])],
    env: { ...process.env, ...options.env },
  });
  const waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  let count = 0;
  let failure: CapacityError | undefined;
  const fail = (why: string, cause?: unknown): void => {
    failure ??= new CapacityError({ code, what: `a ${name} ended (${why})`, fix, cause });
    for (const { reject } of waiting.values()) reject(failure);
    waiting.clear();
  };
  child.once("error", (cause) => fail(cause.message, cause));
  child.once("exit", (exitCode, signal) => fail(signal ?? `exit code ${exitCode}`));
  child.on("message", (reply: Reply<Answer>) => {
    const asked = waiting.get(reply.id);
    waiting.delete(reply.id);
    if ("error" in reply) asked?.reject(receivedError(reply.error, options));
    else asked?.resolve(reply.answer);
  });
  const begin = async (request: Request): Promise<{ answer: Promise<Answer> }> => {
    const id = count++;
    const answer = new Promise<Answer>((resolve, reject) => {
      if (failure === undefined) waiting.set(id, { resolve, reject });
      else reject(failure);
    });
    answer.catch(() => {}); // told to whoever waits for it
    await new Promise<void>((sent) => {
      // an error of sending is followed by the end of the process
      if (failure === undefined) child.send({ id, request } satisfies Parcel<Request>, () => sent());
      else sent();
    });
    return { answer };
  };
  return {
    begin,
    ask: async (request) => (await begin(request)).answer,
    stop() {
      fail("it was stopped");
      child.kill("SIGKILL"); // it holds nothing, and does not hear Ctrl-C
    },
  };
}

/** The child's side: answers every request, until its parent is gone. */
export function answerRequests<Request, Answer>(answer: (request: Request) => Answer | Promise<Answer>): void {
  const reply = (message: Reply<Answer>): void => {
    if (process.connected) process.send?.(message);
  };
  process.on("message", async ({ id, request }: Parcel<Request>) => {
    try {
      reply({ id, answer: await answer(request) });
    } catch (error) {
      reply({ id, error: sentError(error) });
    }
  });
  process.on("disconnect", () => process.exit());
  // Ctrl-C reaches the whole group: the parent decides what is finished first, and may need an answer for that
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {});
}

function sentError(error: unknown): SentError {
  if (error instanceof StepwiseError) {
    const { code, what, where, fix } = error;
    return { kind: error.name, parts: { code, what, where, fix } };
  }
  const stack = error instanceof Error ? error.stack : undefined;
  return { kind: "fault", parts: { code: "child_failed", what: String(error) }, stack };
}

const KINDS = new Map([InputError, ArtifactError, ShapeError, CapacityError].map((kind) => [kind.name, kind]));

/** The error as it was thrown; a fault of the program says in which process. */
function receivedError({ kind, parts, stack }: SentError, { name }: ChildOptions): StepwiseError {
  const Kind = KINDS.get(kind) ?? StepwiseError;
  if (kind !== "fault") return new Kind(parts);
  return new Kind({ ...parts, what: `a ${name} failed: ${parts.what}`, cause: stack });
}
