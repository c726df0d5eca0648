// The worker's own head: the decoder's last states to logits.

import { LEAN, LOGITS } from "../../../shared/onnx-names.ts";
import type { Graph } from "../graph/graph-builder.ts";
import { type LeanContext, toRows, toSequencesLike } from "./lean-blocks.ts";

/** `hidden_states [B, T, D]` -> `logits [B, T, V]`; `head` names the tensor `[V, D]` of the output projection. */
export function buildLeanHead(t5: LeanContext, head: string): Graph {
  const { config, graph, layers } = t5;
  const sequences = ["batch_size", "decoder_sequence_length"];
  const hidden = graph.input(LEAN.hiddenStates, "float32", [...sequences, config.dModel]);
  const logits = layers.linear(layers.rows(toRows(t5, hidden, config.dModel)), head);
  graph.output(LOGITS, toSequencesLike(t5, hidden)(logits), [...sequences, config.vocabSize]);
  return graph.finish();
}
