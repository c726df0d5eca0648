// The process that `startDecoderProcess` starts: opens the graphs it is told of, then answers batches in turn.

import { answerRequests } from "../../io/child-process.ts";
import { type DecodeAnswer, type DecodeRequest, type Decoder, openDecoder } from "./decoder.ts";

let decoder: Decoder | undefined;

answerRequests<DecodeRequest, DecodeAnswer>(async (request) => {
  if ("open" in request) {
    const { dir, config, threads } = request.open;
    decoder = await openDecoder(dir, config, threads);
    return [];
  }
  if (decoder === undefined) throw new Error("a batch came before the graphs");
  return decoder.decode(request.rows, request.options);
});
