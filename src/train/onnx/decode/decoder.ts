// Who decodes a batch: this process, or one of its own beside it. onnxruntime computes on the calling thread, and a small model's
// products are too small to spread over cores; several processes with a batch each are not.

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { CapacityError } from "../../../shared/errors.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import { type DecodeOptions, type DecodeRow, decodeRows } from "./decode-rows.ts";
import { openDecoderSessions } from "./decoder-sessions.ts";

/** Decodes one batch at a time. */
export interface Decoder {
  decode(rows: readonly DecodeRow[], options: DecodeOptions): Promise<number[][]>;
  close(): Promise<void>;
}

/** What the process is told: where the graphs are, once, then batches. */
export type DecodeRequest =
  | { open: { dir: string; config: T5Config; threads: number } }
  | { rows: readonly DecodeRow[]; options: DecodeOptions };

export type DecodeAnswer = { rows: number[][] } | { error: string };

/** Decodes in this process. Throws ArtifactError when onnxruntime refuses a graph. */
export async function openDecoder(dir: string, config: T5Config, threads: number): Promise<Decoder> {
  const sessions = await openDecoderSessions(dir, config, threads);
  return {
    decode: (rows, options) => decodeRows(sessions, config, rows, options),
    close: () => sessions.release(),
  };
}

/** Decodes in a process of its own; its failure is thrown by `decode`. */
export function startDecoderProcess(dir: string, config: T5Config, threads: number): Decoder {
  const child: ChildProcess = fork(fileURLToPath(new URL("./decoder-process.ts", import.meta.url)), {
    serialization: "advanced",
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  let failure: CapacityError | undefined;
  let waiting: { resolve(answer: DecodeAnswer): void; reject(error: CapacityError): void } | undefined;
  const fail = (why: string, cause?: unknown): void => {
    const fix = "Use fewer processes, or a smaller batch.";
    failure ??= new CapacityError({ code: "decoder_ended", what: `a decoding process ended (${why})`, fix, cause });
    waiting?.reject(failure);
  };
  child.once("error", (cause) => fail(cause.message, cause));
  child.once("exit", (code, signal) => fail(signal ?? `exit code ${code}`));
  child.on("message", (answer: DecodeAnswer) => waiting?.resolve(answer));
  const send = (request: DecodeRequest): void => {
    // an error of sending is followed by the end of the process
    child.send(request, () => {});
  };
  send({ open: { dir, config, threads } });
  return {
    async decode(rows, options) {
      const answer = await new Promise<DecodeAnswer>((resolve, reject) => {
        waiting = { resolve, reject };
        if (failure === undefined) send({ rows, options });
        else reject(failure);
      });
      if ("error" in answer) throw new Error(answer.error);
      return answer.rows;
    },
    close: async () => {
      child.removeAllListeners();
      child.kill();
    },
  };
}
