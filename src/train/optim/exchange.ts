// Named tensors in the file that processes exchange arrays through.

import { readValues, writeValues } from "../io/exchange-file.ts";
import type { Parameters } from "../model/parameters.ts";
import { type Tensor, tf } from "../tensorflow/tensorflow.ts";

/** Names and shapes, in the order in which the values lie. */
export type Layout = readonly { name: string; shape: number[] }[];

export function layoutOf(tensors: Parameters): Layout {
  return Object.entries(tensors).map(([name, { shape }]) => ({ name, shape }));
}

const elements = (shape: readonly number[]): number => shape.reduce((n, dim) => n * dim, 1);

/** Elements of all tensors together. */
export function sizeOf(layout: Layout): number {
  return layout.reduce((n, { shape }) => n + elements(shape), 0);
}

/** Writes the tensors of the layout from element `at` on. */
export function writeTensors(file: number, tensors: Parameters, layout: Layout, at: number): void {
  let to = at;
  for (const { name, shape } of layout) {
    const tensor = tensors[name];
    if (tensor === undefined || tensor.size !== elements(shape)) throw new RangeError(`no ${name} of [${shape}]`);
    writeValues(file, tensor.dataSync<"float32">(), to);
    to += tensor.size;
  }
}

/** The tensors again; the caller disposes them. */
export function readTensors(file: number, layout: Layout, at: number): Record<string, Tensor> {
  let from = at;
  return Object.fromEntries(
    layout.map(({ name, shape }) => {
      const values = readValues(file, elements(shape), from);
      from += values.length;
      return [name, tf.tensor(values, shape)];
    }),
  );
}
