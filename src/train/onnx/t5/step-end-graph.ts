// A process reward model as one graph: questions through the encoder once each, solutions through the decoder, and "yes" against "no" at
// the ends of steps alone, so that no logits of the vocabulary are made.

import { EMBEDDING } from "../../model/parameters.ts";
import type { Graph, Value } from "../graph/graph-builder.ts";
import { bytesOf } from "../graph/tensor-bytes.ts";
import { splitHeads, type T5Context } from "./t5-blocks.ts";
import { decoderStack } from "./t5-decoder-graph.ts";
import { encoderStack } from "./t5-encoder-graph.ts";

export const STEP_END_INPUTS = {
  inputIds: "input_ids",
  attentionMask: "attention_mask",
  owners: "owners",
  decoderIds: "decoder_input_ids",
  stepEnds: "step_ends",
} as const;

export const STEP_END_OUTPUT = "log_odds";

/**
 * `input_ids, attention_mask [Q, S]` of the questions, `owners [C]` (the question of each solution), `decoder_input_ids [C, T]` and
 * `step_ends [N]` (solution * T + position) -> `log_odds [N]`, logit(yes) - logit(no). `head` names the output projection `[V, D]`.
 */
export function buildStepEndGraph<A>(
  t5: T5Context<A>,
  { head, yes, no }: { head: string; yes: number; no: number },
): Graph {
  const { config, graph, ops, layers, weights } = t5;
  const { dModel } = config;
  const ids = graph.input(STEP_END_INPUTS.inputIds, "int64", ["questions", "source_length"]);
  const mask = graph.input(STEP_END_INPUTS.attentionMask, "int64", ["questions", "source_length"]);
  const owners = graph.input(STEP_END_INPUTS.owners, "int64", ["solutions"]);
  const solutions = graph.input(STEP_END_INPUTS.decoderIds, "int64", ["solutions", "length"]);
  const ends = graph.input(STEP_END_INPUTS.stepEnds, "int64", ["steps"]);

  const states = layers.activation(encoderStack(t5, layers.embed(ids, EMBEDDING), mask));
  const last = decoderStack(t5, {
    embedded: layers.embed(solutions, EMBEDDING),
    mask: ops.gather(mask, owners),
    before: graph.int64(0),
    own: (_, __, rows) => splitHeads(t5, rows),
    cross: (layer) => {
      const path = `decoder.block.${layer}.layer.1.EncDecAttention`;
      const ofSolutions = (part: string): Value<"float32"> =>
        ops.gather(splitHeads(t5, layers.linear(states, `${path}.${part}.weight`)), owners);
      return { key: ofSolutions("k"), value: ofSolutions("v") };
    },
  });
  const read = ops.gather(ops.reshape(last, graph.int64([-1, dModel])), ends); // [N, D]
  const direction = graph.weight({
    name: "yes_minus_no",
    type: "float32",
    shape: [dModel],
    async load() {
      const table = await weights.read(head);
      const row = (id: number): Float32Array => table.subarray(id * dModel, (id + 1) * dModel);
      const [ofYes, ofNo] = [row(yes), row(no)];
      return bytesOf(Float32Array.from(ofYes, (value, i) => value - (ofNo[i] ?? Number.NaN)));
    },
  });
  graph.output(STEP_END_OUTPUT, ops.reduceSum(ops.mul(read, direction), graph.int64([1])), ["steps"]);
  return graph.finish();
}
