// A tensor function with its gradient written by hand: tf.customGrad with types that say which tensor is which.

import { type Tensor, tf } from "../tensorflow.ts";

/** A function's value and how to differentiate it. */
export interface Differentiable<Inputs extends Tensor[], Saved extends Tensor[], Output extends Tensor> {
  value: Output;
  /** Tensors that the backward pass needs. */
  saved: Saved;
  /** Gradients to the inputs in their order, from the output's `dy`; an integer input gets zeros. */
  gradient: (dy: Output, saved: Saved) => { [I in keyof Inputs]: Tensor };
}

/** `forward(...inputs).value`, recorded with its own gradient. */
export function withGradient<Inputs extends Tensor[], Saved extends Tensor[], Output extends Tensor>(
  forward: (...inputs: Inputs) => Differentiable<Inputs, Saved, Output>,
  ...inputs: Inputs
): Output {
  const recorded = tf.customGrad<Output>((...args) => {
    const save = args.at(-1);
    if (typeof save !== "function") throw new TypeError("tf.customGrad gives its save function last");
    // the other arguments are `inputs` themselves
    const { value, saved, gradient } = forward(...inputs);
    save(saved);
    // TensorFlow.js hands back clones of `saved`, in order, so they have its types
    return { value, gradFunc: (dy, kept) => gradient(dy, kept as Saved) };
  });
  return recorded(...inputs);
}
