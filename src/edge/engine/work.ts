// What a request costs, before it is begun: operations of the graphs, and bytes that it holds while it runs. The rates are those of one
// slow core, rounded to the safe side; what is refused by them would have cost more than a platform gives a request.

import { CapacityError, InputError } from "../../shared/errors.ts";
import type { T5Config } from "../../shared/t5-config.ts";

/** Seconds of one core that a request may be estimated at. */
const MAX_WORK_SECONDS = 25;

const ENCODER_MACS_A_SECOND = 5e9;
/** Of one row: reading the weights counts most. */
const DECODER_MACS_A_SECOND = 2.5e9;
/** What each further row adds to a step. */
const FURTHER_ROW = 0.2;
/** A run of a graph, however small. */
const SECONDS_A_RUN = 0.003;

function encoderMacs({ dModel, dKv, numHeads, dFf, numLayers, numDecoderLayers, gatedGelu }: T5Config): number {
  const attention = dModel * dKv * numHeads;
  return numLayers * (4 * attention + (gatedGelu ? 3 : 2) * dModel * dFf) + numDecoderLayers * 2 * attention;
}

function decoderMacs({ dModel, dKv, numHeads, dFf, numDecoderLayers, gatedGelu, vocabSize }: T5Config): number {
  return numDecoderLayers * (6 * dModel * dKv * numHeads + (gatedGelu ? 3 : 2) * dModel * dFf) + dModel * vocabSize;
}

/** Seconds of reading sources of so many tokens in so many runs. */
export function encoderSeconds(config: T5Config, tokens: number, runs: number): number {
  return runs * SECONDS_A_RUN + (tokens * encoderMacs(config)) / ENCODER_MACS_A_SECOND;
}

/** Seconds of so many steps of so many rows. */
export function decoderSeconds(config: T5Config, steps: number, rows: number): number {
  const one = SECONDS_A_RUN + decoderMacs(config) / DECODER_MACS_A_SECOND;
  return steps * one * (1 + FURTHER_ROW * (rows - 1));
}

/** Throws InputError when a request is estimated above the limit. */
export function checkWork(seconds: number, about: { what: string; field: string; fix: string }): void {
  if (seconds <= MAX_WORK_SECONDS) return;
  throw new InputError({
    code: "too_much_work",
    what: `${about.what} would take some ${Math.ceil(seconds)} s of computing, the limit is ${MAX_WORK_SECONDS} s`,
    where: `field "${about.field}"`,
    fix: about.fix,
  });
}

/** Bytes of keys and values of one position. */
export function bytesAPosition({ numHeads, dKv, numDecoderLayers }: T5Config): number {
  return 2 * numDecoderLayers * numHeads * dKv * Float32Array.BYTES_PER_ELEMENT;
}

/** Activations of one run, a token of a model whose width is 512 (measured). */
const WORKING_BYTES_A_TOKEN = 13_000;

/** Bytes that one run over so many tokens takes while it lasts. */
export function workingBytes({ dModel }: T5Config, tokens: number): number {
  return (tokens * WORKING_BYTES_A_TOKEN * dModel) / 512;
}

/** How long a request may run, other requests' turns included. */
export const MAX_RUN_MS = 120_000;

/** For a request that ran longer. */
export function ranTooLong(): CapacityError {
  return new CapacityError({
    code: "deadline",
    what: `the request ran for ${MAX_RUN_MS / 1000} s and was stopped`,
    fix: "Ask for less at a time, or when the worker is less busy.",
  });
}
