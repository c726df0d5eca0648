// Gradient checkpointing (Chen et al. 2016, arXiv:1604.06174): a block keeps its inputs alone, and its backward pass runs the block again.
// Memory for one block's activations instead of all blocks', for one more forward pass.

import { type Tensor, tf } from "../tensorflow.ts";
import { withGradient } from "./custom-gradient.ts";

export interface Recomputed<Tensors extends Tensor[]> {
  /** What the block is given. It must capture no other tensor that was made in the forward pass. */
  tensors: Tensors;
  /** How many of them, the first ones, are differentiated by. */
  differentiated: number;
  /** Parameters that the block captures and that are differentiated by. Every one of them must take part in the result. */
  parameters: readonly Tensor[];
}

/** `block(...tensors)`, computed again in the backward pass. */
export function recomputed<Tensors extends Tensor[], Output extends Tensor>(
  block: (...tensors: Tensors) => Output,
  { tensors, differentiated, parameters }: Recomputed<Tensors>,
): Output {
  return withGradient<Tensor[], Tensor[], Output>(
    () => ({
      value: block(...tensors),
      saved: tensors,
      gradient: (dy, saved) => {
        const constants = saved.slice(differentiated);
        // the engine hands back clones of `tensors` in order, so they have their types
        const again = (...args: Tensor[]): Tensor =>
          block(...([...args.slice(0, differentiated), ...constants] as Tensors));
        const variables = [...saved.slice(0, differentiated), ...parameters];
        return onOwnTape(() => tf.grads(again)(variables, dy)).map((gradient) => () => gradient);
      },
    }),
    ...tensors.slice(0, differentiated),
    ...parameters,
  );
}

/** A gradient inside a backward pass would end the outer one's tape: it is put back. */
function onOwnTape<T>(differentiate: () => T): T {
  const { state } = tf.engine();
  const outer = state.activeTape;
  try {
    return differentiate();
  } finally {
    state.activeTape = outer;
  }
}
