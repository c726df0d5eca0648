// T5, read top to bottom (Raffel et al. 2020, arXiv:1910.10683; transformers modeling_t5.py).
// Activations are tokens in rows, [N, D]: every projection is one plain matrix product. Only attention sees [B, H, T, K]. The blocks are
// written operation by operation, for every backend; native TensorFlow and onnxruntime run them as graphs (graphs/).
// What differs from other transformers: no 1/sqrt(K) in attention, RMS norm without bias, a relative position bias that layer 0
// owns and all layers share, or each layer has (uMT5; none in cross-attention), and outputs scaled by D^-0.5 when the head is the embedding.

import type { T5Config } from "../../shared/t5-config.ts";
import { recomputed } from "../tensorflow/tape/recompute.ts";
import { type Tensor, type Tensor2D, type Tensor4D, tf } from "../tensorflow/tensorflow.ts";
import { attend } from "./attention.ts";
import { causalBias, paddingBias, positionBias } from "./attention-bias.ts";
import { decoderBlockGraph, encoderBlockGraph } from "./graphs/blocks.ts";
import { gatedGelu, residual, rmsNorm } from "./layers.ts";
import { isAdapted, project } from "./low-rank.ts";
import { fromHeads, type HeadIndex, headIndex, padded, type RowsOfTokens, repeated, toHeads } from "./packed-rows.ts";
import { biasTable, matrix, type Parameters, trainedWithin, vector } from "./parameters.ts";
import { type DecoderBatch, type Encoded, embed, type TokenBatch, tokenRows } from "./token-batch.ts";

/** Feed-forward of one block: gated GELU (v1.1) or ReLU (v1.0), x [N, D] -> [N, D]. */
function feedForward(p: Parameters, prefix: string, x: Tensor2D, config: T5Config): Tensor2D {
  const inner = config.gatedGelu
    ? gatedGelu(project(p, `${prefix}.wi_0`, x), project(p, `${prefix}.wi_1`, x))
    : tf.relu(project(p, `${prefix}.wi`, x));
  return project(p, `${prefix}.wo`, inner);
}

export function normed(p: Parameters, name: string, x: Tensor2D, config: T5Config): Tensor2D {
  return rmsNorm(x, vector(p, `${name}.weight`), config.layerNormEpsilon);
}

/** Self-attention over the tokens x [N, D] with bias [B, H, T, T]. */
function selfAttention(
  p: Parameters,
  prefix: string,
  { x, bias, index }: { x: Tensor2D; bias: Tensor4D; index: HeadIndex },
): Tensor2D {
  const heads = (name: string): Tensor4D => toHeads(project(p, `${prefix}.${name}`, x), index);
  return project(p, `${prefix}.o`, fromHeads(attend(heads("q"), heads("k"), heads("v"), bias), index));
}

/** The block whose layers are `block`.0 and .1: x [N, D], bias [B, H, T, T]. */
function encoderBlock(
  p: Parameters,
  config: T5Config,
  block: string,
  { x, bias, index }: { x: Tensor2D; bias: Tensor4D; index: HeadIndex },
): Tensor2D {
  const own = { x: normed(p, `${block}.0.layer_norm`, x, config), bias, index };
  const attended = residual(x, selfAttention(p, `${block}.0.SelfAttention`, own));
  return residual(
    attended,
    feedForward(p, `${block}.1.DenseReluDense`, normed(p, `${block}.1.layer_norm`, attended, config), config),
  );
}

/** x [N, D], encoder states `hidden` [M, D], bias [C, H, T, T], maskBias [B, 1, 1, S]. */
interface DecoderBlockInput {
  x: Tensor2D;
  hidden: Tensor2D;
  bias: Tensor4D;
  maskBias: Tensor4D;
  /** Layouts of the decoder's rows, of their tokens as queries of each prompt, and of the prompts. */
  index: { self: HeadIndex; query: HeadIndex; memory: HeadIndex };
}

/** The layouts of `DecoderBlockInput.index` one after the other. */
type Layouts = [...HeadIndex, ...HeadIndex, ...HeadIndex];

function layoutsByName(layouts: Layouts): DecoderBlockInput["index"] {
  const [self, query, memory] = [0, 3, 6].map((start) => layouts.slice(start, start + 3));
  return { self: self as HeadIndex, query: query as HeadIndex, memory: memory as HeadIndex }; // as they were put there
}

/** The block whose layers are `block`.0 to .2. */
function decoderBlock(p: Parameters, config: T5Config, block: string, input: DecoderBlockInput): Tensor2D {
  const { x, hidden, bias, maskBias, index } = input;
  const own = { x: normed(p, `${block}.0.layer_norm`, x, config), bias, index: index.self };
  const attended = residual(x, selfAttention(p, `${block}.0.SelfAttention`, own));
  const cross = `${block}.1.EncDecAttention`;
  const queries = project(p, `${cross}.q`, normed(p, `${block}.1.layer_norm`, attended, config));
  const memory = (name: string): Tensor4D => toHeads(project(p, `${cross}.${name}`, hidden), index.memory);
  const answered = attend(toHeads(queries, index.query), memory("k"), memory("v"), maskBias);
  const read = project(p, `${cross}.o`, fromHeads(answered, index.query));
  const seen = residual(attended, read);
  return residual(
    seen,
    feedForward(p, `${block}.2.DenseReluDense`, normed(p, `${block}.2.layer_norm`, seen, config), config),
  );
}

/** How a forward pass runs; its result is the same. */
export interface ForwardOptions {
  /** Keep only the inputs of each block for the backward pass, which then runs the block again: less memory, more time. */
  gradientCheckpointing?: boolean | undefined;
  /** Run each block as one graph where the backend has graphs (default true), else operation by operation. */
  blockGraphs?: boolean | undefined;
  /** Is shown the hidden states [B*S, D] after each encoder block (0-based), without the final norm: what deep supervision reads. */
  onEncoderBlock?: ((hidden: Tensor2D, block: number) => void) | undefined;
  /** The same of the decoder: [C*T, D]. */
  onDecoderBlock?: ((hidden: Tensor2D, block: number) => void) | undefined;
}

/** Tensors of a block: those whose gradients go on to other blocks, and constants. */
interface BlockInput<Flowing extends Tensor[], Constant extends Tensor[]> {
  flowing: Flowing;
  constant: Constant;
}

/**
 * Runs the block `name`, which must use no other tensor that was made on the way to it. What it makes ends with it, but for what the tape
 * keeps: with gradient checkpointing these are its inputs, from which the backward pass runs it again.
 */
function runBlock<Flowing extends Tensor[], Constant extends Tensor[]>(
  block: (input: BlockInput<Flowing, Constant>) => Tensor2D,
  { flowing, constant }: BlockInput<Flowing, Constant>,
  { p, name, options }: { p: Parameters; name: string; options: ForwardOptions },
): Tensor2D {
  if (options.gradientCheckpointing !== true) return tf.tidy(() => block({ flowing, constant }));
  return recomputed(
    // the same tensors again, in their order
    (...all: [...Flowing, ...Constant]) =>
      block({ flowing: all.slice(0, flowing.length) as Flowing, constant: all.slice(flowing.length) as Constant }),
    {
      tensors: [...flowing, ...constant],
      differentiated: isAdapted(p) ? flowing.length - 1 : flowing.length, // beside an adapter the bias, the last, is a constant
      parameters: trainedWithin(p, name),
    },
  );
}

function inGraph({ blockGraphs = true }: ForwardOptions): boolean {
  return blockGraphs;
}

/** The bias of a layer's self-attention, made of its table: one for the whole stack, or each layer's own. */
function biasByLayer(
  p: Parameters,
  config: T5Config,
  stack: "encoder" | "decoder",
  make: (table: Tensor2D) => Tensor4D,
): (layer: number) => Tensor4D {
  const made = new Map<string, Tensor4D>();
  return (layer) => {
    const name = biasTable(config, stack, layer);
    const bias = made.get(name) ?? make(matrix(p, name));
    made.set(name, bias);
    return bias;
  };
}

/** Runs the encoder over padded prompts. */
export function encode(p: Parameters, config: T5Config, prompts: TokenBatch, options: ForwardOptions = {}): Encoded {
  const { batch, length } = prompts;
  const maskBias = paddingBias(prompts.mask);
  const places = { queryLength: length, keyLength: length, bidirectional: true };
  const biasOf = biasByLayer(p, config, "encoder", (table) => {
    return tf.add(positionBias(table, config, places), maskBias); // [B, H, S, S]
  });
  const rows = tokenRows(prompts);
  const index = headIndex(rows, length, config.numHeads);
  let x = embed(p, prompts, rows);
  for (let i = 0; i < config.numLayers; i++) {
    const name = `encoder.block.${i}`;
    const block = ({ flowing: [x, bias], constant: index }: BlockInput<[Tensor2D, Tensor4D], HeadIndex>): Tensor2D =>
      (inGraph(options) ? encoderBlockGraph(p, config, name, { x, bias, index }) : undefined) ??
      encoderBlock(p, config, `${name}.layer`, { x, bias, index });
    x = runBlock(block, { flowing: [x, biasOf(i)], constant: index }, { p, name, options });
    options.onEncoderBlock?.(padded(x, rows, length), i);
  }
  const hidden = normed(p, "encoder.final_layer_norm", x, config);
  return { hidden: padded(hidden, rows, length), maskBias, packed: { hidden, rows }, batch, length };
}

/**
 * Runs the decoder and returns the hidden states that the head reads, [C*T, D]. Rows of one prompt share its encoding, as the chosen and
 * the rejected completion do.
 */
export function decode(
  p: Parameters,
  config: T5Config,
  { encoded, targets }: { encoded: Encoded; targets: DecoderBatch },
  options: ForwardOptions = {},
): Tensor2D {
  return padded(decodeReal(p, config, { encoded, targets }, options), tokenRows(targets), targets.length);
}

/** The same at only the real tokens, [N, D], row by row. */
export function decodeReal(
  p: Parameters,
  config: T5Config,
  { encoded, targets }: { encoded: Encoded; targets: DecoderBatch },
  options: ForwardOptions = {},
): Tensor2D {
  const { batch, length } = targets;
  const places = { queryLength: length, keyLength: length, bidirectional: false };
  const biasOf = biasByLayer(p, config, "decoder", (table) => {
    const one: Tensor4D = tf.add(positionBias(table, config, places), causalBias(length));
    return repeated(one, batch); // once, so that each layer's gradient is a plain sum
  });
  const { maskBias } = encoded;
  const source = encoded.packed ?? { hidden: encoded.hidden, rows: tokenRows(encoded) };
  const rows = tokenRows(targets);
  const asked = rowsByPrompt(rows, encoded.batch, targets.promptRows);
  const longest = asked.reduce((most, row) => Math.max(most, row.length), 1);
  const layouts: Layouts = [
    ...headIndex(rows, length, config.numHeads),
    ...headIndex(asked, longest, config.numHeads),
    ...headIndex(source.rows, encoded.length, config.numHeads),
  ];
  let x = embed(p, targets, rows);
  for (let i = 0; i < config.numDecoderLayers; i++) {
    const name = `decoder.block.${i}`;
    type Input = BlockInput<[Tensor2D, Tensor2D, Tensor4D], [Tensor4D, ...Layouts]>;
    const block = ({ flowing: [x, hidden, bias], constant: [maskBias, ...layouts] }: Input): Tensor2D => {
      const input = { x, hidden, bias, maskBias, index: layoutsByName(layouts) };
      const result = inGraph(options) ? decoderBlockGraph(p, config, name, input) : undefined;
      return result ?? decoderBlock(p, config, `${name}.layer`, input);
    };
    const flowing: Input["flowing"] = [x, source.hidden, biasOf(i)];
    x = runBlock(block, { flowing, constant: [maskBias, ...layouts] }, { p, name, options });
    options.onDecoderBlock?.(padded(x, rows, length), i);
  }
  return headInput(normed(p, "decoder.final_layer_norm", x, config), config);
}

/** Tokens of the rows that answer each prompt: to cross-attention, which knows no order, they are one row of queries. */
function rowsByPrompt(rows: RowsOfTokens, prompts: number, promptRows: readonly number[] | undefined): number[][] {
  const byPrompt: number[][] = Array.from({ length: prompts }, () => []);
  rows.forEach((row, c) => {
    byPrompt[promptRows?.[c] ?? c % prompts]?.push(...row);
  });
  return byPrompt;
}

/** The scale that T5 v1.0 puts before a tied head, applied to the hidden states [N, D]; the config's flag decides, not the weights. */
export function headInput(hidden: Tensor2D, config: T5Config): Tensor2D {
  return config.tieWordEmbeddings ? tf.mul(hidden, config.dModel ** -0.5) : hidden;
}

/** The vocabulary projection [V, D]: the checkpoint's own head, or the embedding. */
export function head(p: Parameters): Tensor2D {
  return matrix(p, "lm_head.weight" in p ? "lm_head.weight" : "shared.weight");
}
