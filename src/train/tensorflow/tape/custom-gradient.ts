// A tensor function with its gradient written by hand. tf.customGrad computes the gradients to all inputs, keeps what it needed for them
// until the whole backward pass is over, and so pays for frozen weights too; its engine underneath asks for each gradient that the
// tape wants, and for no other.

import { type Tensor, tf } from "../tensorflow.ts";

/** A function's value and how to differentiate it. */
export interface Differentiable<Inputs extends Tensor[], Saved extends Tensor[], Output extends Tensor> {
  value: Output;
  /** Tensors that the backward pass needs. */
  saved: Saved;
  /**
   * Gradients to the inputs in their order, from the output's `dy`. Each is called at most once, and only where the input depends on
   * what is differentiated by; tensors made outside of the calls live until the backward pass ends.
   */
  gradient: (dy: Output, saved: Saved) => { [I in keyof Inputs]: () => Tensor };
}

/** What tf.customGrad itself stands on (tfjs-core 4.22, engine.js); declared private. */
interface TapeEngine {
  isTapeOn(): boolean;
  runKernelFunc(call: {
    forwardFunc: (backend: unknown, save: (tensors: Tensor[]) => void) => Tensor;
    backwardsFunc: (dy: Tensor, saved: Tensor[]) => Record<string, () => Tensor>;
    inputs: Record<string, Tensor>;
  }): Tensor;
}

function isTapeEngine(value: unknown): value is TapeEngine {
  return typeof value === "object" && value !== null && "runKernelFunc" in value && "isTapeOn" in value;
}

function tapeEngine(): TapeEngine {
  const engine: unknown = tf.engine();
  if (!isTapeEngine(engine)) throw new Error("TensorFlow.js's engine has changed its shape");
  return engine;
}

/** Whether what is computed now is recorded for a backward pass. */
export function isTapeOn(): boolean {
  return tapeEngine().isTapeOn();
}

const byIndex = <T>(list: readonly T[]): Record<string, T> => Object.fromEntries(list.entries());

/** `forward(...inputs).value`, recorded with its own gradient. Inputs are float32; integers are captured instead. */
export function withGradient<Inputs extends Tensor[], Saved extends Tensor[], Output extends Tensor>(
  forward: (...inputs: Inputs) => Differentiable<Inputs, Saved, Output>,
  ...inputs: Inputs
): Output {
  const engine = tapeEngine();
  let gradient: Differentiable<Inputs, Saved, Output>["gradient"] | undefined;
  const value = engine.runKernelFunc({
    forwardFunc: (_, save) => {
      const result = forward(...inputs);
      save(result.saved);
      gradient = result.gradient;
      return result.value;
    },
    // the engine hands back the value's own `dy` and clones of `saved`, in order, so they have their types
    backwardsFunc: (dy, saved) => byIndex(gradient?.(dy as Output, saved as Saved) ?? []),
    inputs: byIndex(inputs),
  });
  return value as Output; // what `forward` returned
}
