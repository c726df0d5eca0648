// Gradient checkpointing (Chen et al. 2016, arXiv:1604.06174): a block keeps only its inputs, and its backward pass runs the block again.
// Memory for one block's activations instead of all blocks', for one more forward pass.

import type { Tensor } from "../tensorflow.ts";
import { withGradient } from "./custom-gradient.ts";
import { gradientsOf } from "./tape.ts";

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
        const variables = [...saved.slice(0, differentiated), ...parameters];
        // the engine hands back clones of `tensors` in order, so they have their types
        const { value, gradients } = gradientsOf(() => block(...(saved as Tensors)), variables, dy);
        value.dispose();
        return gradients.map((gradient) => () => gradient);
      },
    }),
    ...tensors.slice(0, differentiated),
    ...parameters,
  );
}
