// The process behind `startDecoderProcess`: opens the graphs it is told of, then answers batches in turn. It ends with its parent.

import { type DecodeAnswer, type DecodeRequest, type Decoder, openDecoder } from "./decoder.ts";

let decoder: Promise<Decoder> | undefined;

async function answer(request: DecodeRequest): Promise<DecodeAnswer | undefined> {
  if ("open" in request) {
    const { dir, config, threads } = request.open;
    decoder = openDecoder(dir, config, threads);
    decoder.catch(() => {}); // told with the first batch
    return undefined;
  }
  if (decoder === undefined) throw new Error("a batch came before the graphs");
  return { rows: await (await decoder).decode(request.rows, request.options) };
}

process.on("message", (request: DecodeRequest) => {
  answer(request).then(
    (result) => result && process.send?.(result),
    (error: unknown) => process.send?.({ error: String(error) } satisfies DecodeAnswer),
  );
});
process.on("disconnect", () => process.exit());
// Ctrl-C reaches the whole group; the parent decides what is finished first
process.on("SIGINT", () => {});
