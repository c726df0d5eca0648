// A graph as plain data: nodes of TensorFlow's operations, and values that pass between them. Two writers give it to a runtime: savedModel
// for native TensorFlow, onnxModel for onnxruntime. Many operations in one call of the runtime cost less than
// the same ones one by one: branches run side by side on all cores, buffers are reused, and JavaScript is entered once.

/** An output of a node. */
export interface Value {
  readonly node: string;
  readonly output: number;
}

/** The types that tensors have here. */
export type ElementType = "float32" | "int32";

/** An attribute of a node, as TensorFlow's AttrValue has them. */
export type Attribute =
  | { type: ElementType }
  | { bool: boolean }
  | { int: number }
  | { text: string }
  | { shape: readonly number[] }
  | { tensor: { type: ElementType; shape: readonly number[]; values: readonly number[] } };

/** NodeDef of graph.proto. */
export interface GraphNode {
  name: string;
  op: string;
  inputs: readonly Value[];
  attributes: Readonly<Record<string, Attribute>>;
  /** Nodes that must have run before. */
  after?: readonly Value[] | undefined;
}

/** A graph that is being written. */
export interface Graph {
  readonly nodes: readonly GraphNode[];
  /** A tensor that a run is given, of any shape. */
  input(type?: ElementType): Value;
  /** Adds a node, to run after others if need be, and returns its first output. */
  node(
    op: string,
    inputs: readonly Value[],
    attributes: Readonly<Record<string, Attribute>>,
    after?: readonly Value[],
  ): Value;
  /** The same of an operation on float32, whose attribute T says so. */
  op(op: string, inputs: readonly Value[], attributes?: Readonly<Record<string, Attribute>>): Value;
  scalar(value: number): Value;
  integer(value: number): Value;
  /** A vector of whole numbers: axes, shapes. */
  integers(...values: number[]): Value;
}

const FLOAT = { T: { type: "float32" } } as const;

/** An empty graph. */
export function createGraph(): Graph {
  const nodes: GraphNode[] = [];
  const add: Graph["node"] = (op, inputs, attributes, after) => {
    const name = `n${nodes.length}`;
    nodes.push({ name, op, inputs, attributes, after });
    return { node: name, output: 0 };
  };
  const constant = (type: ElementType, shape: readonly number[], values: readonly number[]): Value =>
    add("Const", [], { dtype: { type }, value: { tensor: { type, shape, values } } });
  return {
    nodes,
    input: (type = "float32") => add("Placeholder", [], { dtype: { type } }),
    node: add,
    op: (op, inputs, attributes = {}) => add(op, inputs, { ...FLOAT, ...attributes }),
    scalar: (value) => constant("float32", [], [value]),
    integer: (value) => constant("int32", [], [value]),
    integers: (...values) => constant("int32", [values.length], values),
  };
}
