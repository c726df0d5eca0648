// What TensorFlow.js can run on, and how exactly it multiplies: the words of the settings and flags.

/** `auto` takes native TensorFlow where it is installed, else onnxruntime where it has a binary for the machine, else WebAssembly. */
export const BACKENDS = ["auto", "tensorflow", "onnxruntime", "wasm"] as const;
/** `bf16` rounds the factors of matrix products to bfloat16 (native TensorFlow only). */
export const PRECISIONS = ["float32", "bf16"] as const;

export type BackendChoice = (typeof BACKENDS)[number];
export type Precision = (typeof PRECISIONS)[number];
