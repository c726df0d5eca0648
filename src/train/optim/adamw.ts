// AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2; as torch.optim.AdamW: decay p -= lr * wd * p, then Adam with
// bias correction). It owns the parameters. On native TensorFlow they are variables of a graph, whose one run updates them all with
// TensorFlow's fused, in-place kernel (native-adamw.ts); onnxruntime updates them slice by slice (flat-adamw.ts); on WebAssembly the same
// arithmetic is written in TensorFlow.js operations.

import type { Parameters } from "../model/parameters.ts";
import { currentBackend, nativeOps, type Tensor, tf } from "../tensorflow/tensorflow.ts";
import { createFlatStore } from "./flat-adamw.ts";
import { createNativeStore } from "./native-adamw.ts";

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
  /** One update by the gradients times `scale` (default 1), which are in memory layout and still the caller's to dispose. */
  step(gradients: Parameters, learningRate: number, scale?: number): void;
  state(): Promise<AdamWState>;
  dispose(): void;
}

/** What is said of an update beside the gradients. */
export interface Update {
  learningRate: number;
  /** Factor on the gradients. */
  scale: number;
  /** Powers of the betas: what the bias correction reads. */
  beta1Power: number;
  beta2Power: number;
}

/** Parameters with their moments, as a backend stores them. */
export interface AdamWStore {
  /** Kept until the next update or `dispose`. */
  values(): Record<string, Tensor>;
  update(gradients: Parameters, update: Update): void;
  /** Moments by parameter; the caller disposes them. */
  moments(): Record<string, { m: Tensor; v: Tensor }>;
  dispose(): void;
}

/** A parameter and its moments to begin with; what is given stays the caller's. */
export interface InitialSlot {
  name: string;
  value: Tensor;
  /** Zero where there are none. */
  moments(): { m: Tensor; v: Tensor } | undefined;
}

function createPortableStore(initial: readonly InitialSlot[], options: AdamWOptions): AdamWStore {
  const { beta1, beta2, weightDecay } = options;
  const slots = new Map(
    initial.map(({ name, value, moments }) => {
      const { m, v } = moments() ?? { m: tf.zerosLike(value), v: tf.zerosLike(value) };
      return [name, { value: tf.keep(tf.clone(value)), m: tf.keep(m), v: tf.keep(v) }];
    }),
  );
  const replace = (old: Tensor, next: Tensor): Tensor => {
    old.dispose();
    return tf.keep(next);
  };
  return {
    values: () => Object.fromEntries([...slots].map(([name, { value }]) => [name, value])),
    update(gradients, { learningRate, scale, beta1Power, beta2Power }) {
      for (const [name, slot] of slots) {
        tf.tidy(() => {
          const gradient = gradients[name] ?? tf.scalar(Number.NaN);
          slot.m = replace(slot.m, tf.add(tf.mul(slot.m, beta1), tf.mul(gradient, (1 - beta1) * scale)));
          slot.v = replace(
            slot.v,
            tf.add(tf.mul(slot.v, beta2), tf.mul(tf.square(gradient), (1 - beta2) * scale ** 2)),
          );
          const decayed = weightDecay > 0 ? tf.mul(slot.value, 1 - learningRate * weightDecay) : slot.value;
          const denominator = tf.add(tf.mul(tf.sqrt(slot.v), 1 / Math.sqrt(1 - beta2Power)), options.epsilon);
          const change = tf.mul(tf.div(slot.m, denominator), learningRate / (1 - beta1Power));
          slot.value = replace(slot.value, tf.sub(decayed, change));
        });
      }
    },
    moments: () => Object.fromEntries([...slots].map(([name, { m, v }]) => [name, { m: tf.clone(m), v: tf.clone(v) }])),
    dispose: () => tf.dispose([...slots.values()].map(({ value, m, v }) => [value, m, v])),
  };
}

/** Takes over `initial` (disposes it). `restored` continues from a checkpoint's state; its names must be those of `initial`. */
export function createAdamW(initial: Parameters, options: AdamWOptions, restored?: AdamWState): AdamW {
  const ops = nativeOps();
  const names = Object.keys(initial);
  const missing = names.find((name) => restored !== undefined && !(name in restored.moments));
  if (missing !== undefined) throw new Error(`optimizer state has no moments for ${missing}`);
  const slots = Object.entries(initial).map(([name, value]): InitialSlot => {
    const kept = restored?.moments[name];
    return {
      name,
      value,
      moments: () => kept && { m: tf.tensor(kept.m, value.shape), v: tf.tensor(kept.v, value.shape) },
    };
  });
  const store =
    ops !== undefined
      ? createNativeStore(ops, slots, options)
      : currentBackend() === "onnxruntime"
        ? createFlatStore(slots, options)
        : createPortableStore(slots, options);
  tf.dispose(initial);
  let step = restored?.step ?? 0;
  return {
    parameters: () => store.values(),
    step(gradients, learningRate, scale = 1) {
      const without = names.find((name) => gradients[name] === undefined);
      if (without !== undefined) throw new Error(`no gradient for ${without}`);
      step += 1;
      const [beta1Power, beta2Power] = [options.beta1 ** step, options.beta2 ** step];
      store.update(gradients, { learningRate, scale, beta1Power, beta2Power });
    },
    async state() {
      const moments: AdamWState["moments"] = {};
      for (const [name, { m, v }] of Object.entries(store.moments())) {
        moments[name] = { m: await m.data<"float32">(), v: await v.data<"float32">() };
        tf.dispose([m, v]);
      }
      return { step, moments };
    },
    dispose: () => store.dispose(),
  };
}
