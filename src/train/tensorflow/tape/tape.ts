// Gradients over TensorFlow.js's own tape, with every tensor freed as soon as the tape has no more use for it. tf.grads keeps what the
// forward pass saved, every intermediate gradient and every temporary tensor until the backward pass is over: about twice the memory.
// (After tfjs-core 4.22, tape.js and engine.js `gradients`, whose tape this reads.)

import { type Tensor, tf } from "../tensorflow.ts";

interface TapeNode {
  inputs: Record<string, Tensor>;
  outputs: Tensor[];
  kernelName: string;
  gradient?: (dys: (Tensor | undefined)[]) => Record<string, () => Tensor>;
  saved?: Tensor[];
}

interface TapeEngine {
  startTape(): void;
  endTape(): void;
  state: { activeTape: TapeNode[] | null };
}

function isTapeEngine(value: unknown): value is TapeEngine {
  return typeof value === "object" && value !== null && "startTape" in value && "endTape" in value && "state" in value;
}

/**
 * Value of `f` and its gradients to `xs`, in their order; `dy` is the gradient that arrives at the value, default ones. May be called
 * inside a backward pass. The caller disposes all of it. Throws when the value does not depend on one of `xs`.
 */
export function gradientsOf(
  f: () => Tensor,
  xs: readonly Tensor[],
  dy?: Tensor,
): { value: Tensor; gradients: Tensor[] } {
  const engine: unknown = tf.engine();
  if (!isTapeEngine(engine)) throw new Error("TensorFlow.js's engine has changed its shape");
  const outer = engine.state.activeTape;
  let value: Tensor;
  engine.startTape();
  try {
    value = tf.tidy(f);
  } finally {
    engine.endTape();
  }
  const tape = engine.state.activeTape ?? [];
  engine.state.activeTape = outer;
  const gradients = tf.tidy(() => backward(tape, xs, value, dy ?? tf.onesLike(value)));
  return { value, gradients };
}

function backward(tape: readonly TapeNode[], xs: readonly Tensor[], value: Tensor, dy: Tensor): Tensor[] {
  const wanted = new Set(xs.map(({ id }) => id));
  const fromXs = dependents(tape, wanted);
  const gradients = new Map<number, Tensor>([[value.id, dy]]);
  for (const node of tape.toReversed()) {
    // what no gradient arrives at does not lead to the value
    if (node.outputs.some(({ id }) => gradients.has(id))) {
      const inputs = Object.entries(node.inputs).filter(([, { id }]) => fromXs.has(id));
      inputGradients(node, inputs, gradients).forEach((dx, i) => {
        const id = inputs[i]?.[1].id ?? Number.NaN;
        const before = gradients.get(id);
        gradients.set(id, before === undefined ? dx : tf.add(before, dx));
        if (before !== undefined) tf.dispose([before, dx]);
      });
    }
    for (const { id } of node.outputs) {
      if (wanted.has(id)) continue;
      if (gradients.get(id) !== dy) gradients.get(id)?.dispose();
      gradients.delete(id);
    }
    tf.dispose(node.saved ?? []);
  }
  return xs.map(({ id, shape }) => {
    const gradient = gradients.get(id);
    if (gradient === undefined) throw new Error(`the value does not depend on a tensor of shape [${shape.join(", ")}]`);
    return gradient;
  });
}

/** Ids of all tensors that depend on the given ones, these included. */
function dependents(tape: readonly TapeNode[], ids: ReadonlySet<number>): Set<number> {
  const found = new Set(ids);
  for (const { inputs, outputs } of tape)
    if (Object.values(inputs).some(({ id }) => found.has(id))) for (const { id } of outputs) found.add(id);
  return found;
}

/** Gradients to some inputs of one operation; what was made on the way is freed. */
function inputGradients(
  node: TapeNode,
  inputs: readonly [string, Tensor][],
  gradients: ReadonlyMap<number, Tensor>,
): Tensor[] {
  if (inputs.length === 0) return [];
  const { gradient, kernelName } = node;
  if (gradient === undefined) throw new Error(`${kernelName} has no gradient`);
  return tf.tidy(() => {
    const dys = node.outputs.map(({ id }) => gradients.get(id));
    const byInput = gradient(dys);
    return inputs.map(([name]) => {
      const dx = byInput[name]?.();
      if (dx === undefined) throw new Error(`${kernelName} has no gradient to its input ${name}`);
      return tf.clone(dx); // some hand on their `dy` itself, which is freed on its own
    });
  });
}
