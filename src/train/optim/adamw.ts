// AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2; as torch.optim.AdamW: decay p -= lr * wd * p, then Adam with
// bias correction). It owns the parameters. On native TensorFlow they are resource variables and each update is one fused,
// in-place kernel (ResourceApplyAdam); on WebAssembly the same arithmetic is written in TensorFlow.js operations.

import type { Parameters } from "../model/parameters.ts";
import { type NativeOps, nativeOps, type Tensor, tf } from "../tensorflow.ts";

export interface AdamWOptions {
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
}

export const ADAMW_DEFAULTS: AdamWOptions = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

/** First and second moments by parameter name, and how many updates were made: what a checkpoint keeps. */
export interface AdamWState {
  step: number;
  moments: Record<string, { m: Float32Array; v: Float32Array }>;
}

export interface AdamW {
  /** Current values; valid until the next `step`, disposed by the optimizer. */
  parameters(): Parameters;
  /** One update; gradients in memory layout, still the caller's to dispose. */
  step(gradients: Parameters, learningRate: number): void;
  state(): Promise<AdamWState>;
  dispose(): void;
}

/** One parameter with its moments; how it is stored depends on the backend. */
interface Slot {
  value(): Tensor;
  update(gradient: Tensor, scalars: UpdateScalars): void;
  moments(): { m: Tensor; v: Tensor };
  dispose(): void;
}

interface UpdateScalars {
  options: AdamWOptions;
  learningRate: number;
  beta1Power: number;
  beta2Power: number;
  /** On native TensorFlow the kernel's six scalars, made once for all parameters. */
  forKernel: Tensor[];
}

/** The scalars of ResourceApplyAdam. It adds epsilon before the bias correction of v, PyTorch after it: scaled here to mean the same. */
function kernelScalars({ options, learningRate, beta1Power, beta2Power }: Omit<UpdateScalars, "forKernel">): Tensor[] {
  const epsilon = options.epsilon * Math.sqrt(1 - beta2Power);
  return [beta1Power, beta2Power, learningRate, options.beta1, options.beta2, epsilon].map((x) => tf.scalar(x));
}

let handleCount = 0;

/** A TensorFlow resource variable: updated in place by TensorFlow's kernels, read without a copy. */
function createVariable(
  ops: NativeOps,
  initial: Tensor,
): { handle: Tensor; read(): Tensor; assign(value: Tensor): void } {
  const { types } = ops;
  const dtype = { name: "dtype", type: types.attrType, value: types.float };
  const [handle] = ops.run(
    "VarHandleOp",
    [
      { name: "container", type: types.attrString, value: "" },
      { name: "shared_name", type: types.attrString, value: `stepwise_${process.pid}_${handleCount++}` },
      dtype,
      { name: "shape", type: types.attrShape, value: initial.shape },
    ],
    [],
    1,
  );
  if (handle === undefined) throw new Error("VarHandleOp returned nothing");
  tf.keep(handle);
  const assign = (value: Tensor): void => {
    ops.run("AssignVariableOp", [dtype], [handle, value], 0);
  };
  assign(initial);
  const read = (): Tensor => {
    const [value] = ops.run("ReadVariableOp", [dtype], [handle], 1);
    if (value === undefined) throw new Error("ReadVariableOp returned nothing");
    return tf.keep(value);
  };
  return { handle, read, assign };
}

function createNativeSlot(ops: NativeOps, initial: Tensor, moments?: { m: Tensor; v: Tensor }): Slot {
  const { types } = ops;
  const zeros = (): Tensor => tf.zerosLike(initial);
  const variable = createVariable(ops, initial);
  const m = createVariable(ops, moments?.m ?? zeros());
  const v = createVariable(ops, moments?.v ?? zeros());
  const destroy = [{ name: "ignore_lookup_error", type: types.attrBool, value: true }];
  let current: Tensor | undefined;
  const release = (): void => {
    current?.dispose();
    current = undefined;
  };
  return {
    value: () => {
      current ??= variable.read();
      return current;
    },
    update(gradient, { options, learningRate, forKernel }) {
      release(); // while a read is alive the update would copy
      if (options.weightDecay > 0) {
        const before = variable.read();
        const decay = tf.mul(before, learningRate * options.weightDecay);
        before.dispose();
        ops.run(
          "AssignSubVariableOp",
          [{ name: "dtype", type: types.attrType, value: types.float }],
          [variable.handle, decay],
          0,
        );
      }
      ops.run(
        "ResourceApplyAdam",
        [
          { name: "T", type: types.attrType, value: types.float },
          { name: "use_locking", type: types.attrBool, value: false },
          { name: "use_nesterov", type: types.attrBool, value: false },
        ],
        [variable.handle, m.handle, v.handle, ...forKernel, gradient],
        0,
      );
    },
    moments: () => ({ m: m.read(), v: v.read() }),
    dispose() {
      release();
      for (const { handle } of [variable, m, v]) {
        ops.run("DestroyResourceOp", destroy, [handle], 0);
        handle.dispose();
      }
    },
  };
}

function createPortableSlot(initial: Tensor, moments?: { m: Tensor; v: Tensor }): Slot {
  let value = tf.keep(tf.clone(initial));
  let m = tf.keep(moments?.m.clone() ?? tf.zerosLike(initial));
  let v = tf.keep(moments?.v.clone() ?? tf.zerosLike(initial));
  const replace = (old: Tensor, next: Tensor): Tensor => {
    old.dispose();
    return tf.keep(next);
  };
  return {
    value: () => value,
    update(gradient, { options, learningRate, beta1Power, beta2Power }) {
      const { beta1, beta2 } = options;
      m = replace(m, tf.add(tf.mul(m, beta1), tf.mul(gradient, 1 - beta1)));
      v = replace(v, tf.add(tf.mul(v, beta2), tf.mul(tf.square(gradient), 1 - beta2)));
      const decayed = options.weightDecay > 0 ? tf.mul(value, 1 - learningRate * options.weightDecay) : value;
      const denominator = tf.add(tf.mul(tf.sqrt(v), 1 / Math.sqrt(1 - beta2Power)), options.epsilon);
      const change = tf.mul(tf.div(m, denominator), learningRate / (1 - beta1Power));
      value = replace(value, tf.sub(decayed, change));
    },
    moments: () => ({ m: tf.clone(m), v: tf.clone(v) }),
    dispose: () => tf.dispose([value, m, v]),
  };
}

/** Takes over `initial` (disposes it). `restored` continues from a checkpoint's state; its names must be those of `initial`. */
export function createAdamW(initial: Parameters, options: AdamWOptions, restored?: AdamWState): AdamW {
  const ops = nativeOps();
  const slots = new Map<string, Slot>();
  for (const [name, tensor] of Object.entries(initial)) {
    tf.tidy(() => {
      const kept = restored?.moments[name];
      if (restored !== undefined && kept === undefined) throw new Error(`optimizer state has no moments for ${name}`);
      const moments = kept && { m: tf.tensor(kept.m, tensor.shape), v: tf.tensor(kept.v, tensor.shape) };
      slots.set(name, ops === undefined ? createPortableSlot(tensor, moments) : createNativeSlot(ops, tensor, moments));
    });
    tensor.dispose();
  }
  let step = restored?.step ?? 0;
  return {
    parameters: () => Object.fromEntries([...slots].map(([name, slot]) => [name, slot.value()])),
    step(gradients, learningRate) {
      step += 1;
      const numbers = { options, learningRate, beta1Power: options.beta1 ** step, beta2Power: options.beta2 ** step };
      tf.tidy(() => {
        const scalars = { ...numbers, forKernel: ops === undefined ? [] : kernelScalars(numbers) };
        for (const [name, slot] of slots) {
          const gradient = gradients[name];
          if (gradient === undefined) throw new Error(`no gradient for ${name}`);
          tf.tidy(() => slot.update(gradient, scalars));
        }
      });
    },
    async state() {
      const moments: AdamWState["moments"] = {};
      for (const [name, slot] of slots) {
        const { m, v } = slot.moments();
        moments[name] = { m: await m.data<"float32">(), v: await v.data<"float32">() };
        tf.dispose([m, v]);
      }
      return { step, moments };
    },
    dispose() {
      for (const slot of slots.values()) slot.dispose();
    },
  };
}
