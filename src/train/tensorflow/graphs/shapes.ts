// Shapes of a graph's values from those of its inputs: known before a run, results can be written where they shall stay.

import type { Attribute, GraphNode, Value } from "./graph.ts";

export type Shape = readonly number[];

/** `numbers` are the values of an input that is a constant. */
type Rule = (inputs: readonly Shape[], node: GraphNode, numbers: (input: number) => readonly number[]) => Shape;

const NONE: Shape = [];

function broadcast(shapes: readonly Shape[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    const size = sizes.find((one) => one !== 1) ?? 1;
    if (sizes.some((one) => one !== 1 && one !== size)) {
      throw new RangeError(`shapes [${shapes.join("], [")}] do not go together`);
    }
    return size;
  });
}

const isTrue = (attribute: Attribute | undefined): boolean =>
  attribute !== undefined && "bool" in attribute && attribute.bool;

const same: Rule = ([x = NONE]) => x;

const product =
  (left: string, right: string): Rule =>
  ([a = NONE, b = NONE], { attributes }) => {
    const rows = a.at(isTrue(attributes[left]) ? -1 : -2) ?? 1;
    const columns = b.at(isTrue(attributes[right]) ? -2 : -1) ?? 1;
    return [...broadcast([a.slice(0, -2), b.slice(0, -2)]), rows, columns];
  };

const reduction: Rule = ([x = NONE], { attributes }, numbers) => {
  const axes = new Set(numbers(1).map((axis) => (axis < 0 ? axis + x.length : axis)));
  if (isTrue(attributes.keep_dims)) return x.map((size, axis) => (axes.has(axis) ? 1 : size));
  return x.filter((_, axis) => !axes.has(axis));
};

const sizeOf = (shape: Shape): number => shape.reduce((size, dim) => size * dim, 1);

const RULES: Readonly<Record<string, Rule>> = {
  ...Object.fromEntries(
    ["Mul", "AddV2", "AddN", "Sub", "RealDiv", "SigmoidGrad", "ReluGrad"].map((op) => [op, broadcast]),
  ),
  ...Object.fromEntries(
    ["Neg", "Exp", "Log", "Sqrt", "Rsqrt", "Square", "Sigmoid", "Relu", "Identity", "Softmax", "TensorScatterSub"].map(
      (op) => [op, same],
    ),
  ),
  ...Object.fromEntries(["Sum", "Mean", "Max"].map((op) => [op, reduction])),
  MatMul: product("transpose_a", "transpose_b"),
  BatchMatMulV2: product("adj_x", "adj_y"),
  L2Loss: () => NONE,
  Reshape([x = NONE], _, numbers) {
    const shape = numbers(1);
    const known = shape.reduce((size, dim) => (dim < 0 ? size : size * dim), 1);
    return shape.map((dim) => (dim < 0 ? sizeOf(x) / known : dim));
  },
  Transpose: ([x = NONE], _, numbers) => numbers(1).map((axis) => x[axis] ?? 1),
  Tile: ([x = NONE], _, numbers) => numbers(1).map((times, axis) => times * (x[axis] ?? 1)),
  GatherV2: ([x = NONE, index = NONE]) => [...index, ...x.slice(1)],
  GatherNd: ([x = NONE, places = NONE]) => [...places.slice(0, -1), ...x.slice(places.at(-1) ?? 0)],
};

/** Shapes of `outputs`, from the shapes of placeholders by their names. Throws for shapes that do not go together. */
export function inferShapes(
  nodes: readonly GraphNode[],
  outputs: readonly Value[],
): (given: ReadonlyMap<string, Shape>) => Shape[] {
  const places = new Map(nodes.map(({ name }, i) => [name, i]));
  const placeOf = ({ node }: Value): number => places.get(node) ?? Number.NaN;
  const steps = nodes.map((node) => {
    const inputs = node.inputs.map(placeOf);
    const { value } = node.attributes;
    const constant = value !== undefined && "tensor" in value ? value.tensor : undefined;
    return { node, inputs, constant, rule: RULES[node.op] };
  });
  const wanted = outputs.map(placeOf);
  return (given) => {
    const shapes: Shape[] = [];
    for (const { node, inputs, constant, rule } of steps) {
      const known = given.get(node.name) ?? constant?.shape;
      if (known === undefined && rule === undefined) throw new Error(`no shape of ${node.op} is known`);
      const numbers = (input: number): readonly number[] => steps[inputs[input] ?? Number.NaN]?.constant?.values ?? [];
      const from = inputs.map((place) => shapes[place] ?? NONE);
      shapes.push(known ?? rule?.(from, node, numbers) ?? NONE);
    }
    return wanted.map((place) => shapes[place] ?? NONE);
  };
}
