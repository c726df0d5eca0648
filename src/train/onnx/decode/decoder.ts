// Who decodes a batch: this process, or one of its own beside it. onnxruntime computes on the calling thread, and a small model's
// products are too small to spread over cores; several processes with a batch each are not.

import type { T5Config } from "../../../shared/t5-config.ts";
import { startChild } from "../../io/child-process.ts";
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

/** The rows of a batch; none of the graphs. */
export type DecodeAnswer = number[][];

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
  const child = startChild<DecodeRequest, DecodeAnswer>(new URL("./decoder-process.ts", import.meta.url), {
    name: "decoding process",
    code: "decoder_ended",
    fix: "Use fewer processes, or a smaller batch.",
  });
  const opened = child.begin({ open: { dir, config, threads } });
  return {
    async decode(rows, options) {
      await (await opened).answer;
      return child.ask({ rows, options });
    },
    close: async () => child.stop(),
  };
}
