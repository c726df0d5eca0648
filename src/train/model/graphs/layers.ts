// Layers of T5 in graphs, forward and backward. Tokens are rows [N, D]; formulas are those of src/train/model/layers.ts, attention.ts and
// low-rank.ts, which compute the same on every backend and which tests hold these against.

import type { Backward } from "../../tensorflow/graphs/differentiable.ts";
import type { Graph, Value } from "../../tensorflow/graphs/graph.ts";
import { isBatchProduct } from "../../tensorflow/tensorflow.ts";

/** A layer's output and how gradients pass back through it. */
export interface Layer {
  value: Value;
  /** From the output's gradient to the input's. */
  backward(to: Backward, dy: Value): Value;
}

const mul = (graph: Graph, a: Value, b: Value): Value => graph.op("Mul", [a, b]);
const sum = (graph: Graph, ...parts: Value[]): Value =>
  parts.length === 2 ? graph.op("AddV2", parts) : graph.op("AddN", parts, { N: { int: parts.length } });

/** x reduced over one axis, which stays with length 1 where `keep` says so. */
export function reduce(
  graph: Graph,
  op: "Sum" | "Mean" | "Max",
  x: Value,
  { axis, keep = false }: { axis: number; keep?: boolean },
): Value {
  return graph.op(op, [x, graph.integers(axis)], { Tidx: { type: "int32" }, keep_dims: { bool: keep } });
}

function reshape(graph: Graph, x: Value, ...shape: number[]): Value {
  return graph.op("Reshape", [x, graph.integers(...shape)], { Tshape: { type: "int32" } });
}

interface Transposed {
  transposeA?: boolean;
  transposeB?: boolean;
}

/** a b of the matrices in the last two axes, either transposed. */
function products(
  graph: Graph,
  a: Value,
  b: Value,
  { transposeA = false, transposeB = false }: Transposed = {},
): Value {
  return graph.op("BatchMatMulV2", [a, b], { adj_x: { bool: transposeA }, adj_y: { bool: transposeB } });
}

/** The same of two matrices; which of TensorFlow's products that is, `product` of gradients.ts says. */
export function product(graph: Graph, a: Value, b: Value, transposed: Transposed = {}): Value {
  const { transposeA = false, transposeB = false } = transposed;
  if (isBatchProduct(transposeA, transposeB)) return products(graph, a, b, transposed);
  return graph.op("MatMul", [a, b], { transpose_a: { bool: transposeA }, transpose_b: { bool: transposeB } });
}

/** A projection's weight [in, out], and the low-rank adapter on it where there is one: a [in, r], b [r, out], their factor. */
export interface Projection {
  weight: Value;
  adapter?: { a: Value; b: Value; scale: Value } | undefined;
}

/** x W, plus scale (x A) B. */
function project(graph: Graph, x: Value, { weight, adapter }: Projection): Layer {
  const plain = product(graph, x, weight);
  const low = adapter && mul(graph, product(graph, x, adapter.a), adapter.scale);
  return {
    value: adapter && low ? sum(graph, plain, product(graph, low, adapter.b)) : plain,
    backward(to, dy) {
      const g = to.graph;
      if (to.wants(weight)) to.gradient(weight, product(g, to.held(x), dy, { transposeA: true }));
      const dx = product(g, dy, to.held(weight), { transposeB: true });
      if (adapter === undefined || low === undefined) return dx;
      const dLow = mul(g, product(g, dy, to.held(adapter.b), { transposeB: true }), to.held(adapter.scale));
      to.gradient(adapter.a, product(g, to.held(x), dLow, { transposeA: true }));
      to.gradient(adapter.b, product(g, to.held(low), dy, { transposeA: true }));
      return sum(g, dx, product(g, dLow, to.held(adapter.a), { transposeB: true }));
    },
  };
}

/** x / rms(x) * gain. With n = x / rms and t = dy n: dgain = sum_N t, dx = (dy gain - n mean_D(t gain)) / rms. */
export function rmsNorm(graph: Graph, x: Value, gain: Value, epsilon: number): Layer {
  const square = reduce(graph, "Mean", graph.op("Square", [x]), { axis: 1, keep: true }); // [N, 1]
  const inverse = graph.op("Rsqrt", [sum(graph, square, graph.scalar(epsilon))]);
  const normed = mul(graph, x, inverse);
  return {
    value: mul(graph, normed, gain),
    backward(to, dy) {
      const g = to.graph;
      const [n, w, r] = [to.held(normed), to.held(gain), to.held(inverse)];
      const dNormed = mul(g, dy, w);
      const shared = reduce(g, "Mean", mul(g, dNormed, n), { axis: 1, keep: true });
      if (to.wants(gain)) to.gradient(gain, reduce(g, "Sum", mul(g, dy, n), { axis: 0 }));
      return mul(g, g.op("Sub", [dNormed, mul(g, n, shared)]), r);
    },
  };
}

const GELU_SCALE = 2 * Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

/** gelu(a) b as a sigmoid(z) b, z = a (s + s c a^2): the product before it is kept as a, b and the gate sigmoid(z). */
function gatedGelu(graph: Graph, a: Value, b: Value): { value: Value; backward: PairBackward } {
  const curve = (g: Graph, a: Value, cubic: number): Value =>
    mul(g, a, sum(g, mul(g, g.op("Square", [a]), g.scalar(cubic * GELU_SCALE * GELU_CUBIC)), g.scalar(GELU_SCALE)));
  const gate = graph.op("Sigmoid", [curve(graph, a, 1)]);
  return {
    value: mul(graph, mul(graph, a, gate), b),
    backward(to, dy) {
      const g = to.graph;
      const [x, y, open] = [to.held(a), to.held(b), to.held(gate)];
      // d gelu / da = gate + gate (1 - gate) a dz/da, with a dz/da = a (s + 3 s c a^2)
      const slope = sum(g, open, g.op("SigmoidGrad", [open, curve(g, x, 3)]));
      return [mul(g, mul(g, dy, y), slope), mul(g, dy, mul(g, x, open))];
    },
  };
}

type PairBackward = (to: Backward, dy: Value) => [Value, Value];

/** The names of a feed-forward's projections that a T5 has. */
export interface FeedForward {
  in: readonly Projection[];
  out: Projection;
}

/** Gated GELU over two projections (T5 v1.1), or ReLU over one (v1.0). */
export function feedForward(graph: Graph, x: Value, { in: inner, out }: FeedForward): Layer {
  const [first, second] = inner.map((projection) => project(graph, x, projection));
  if (first === undefined) throw new Error("a feed-forward needs a projection");
  if (second === undefined) {
    const active = graph.op("Relu", [first.value]);
    const result = project(graph, active, out);
    return {
      value: result.value,
      backward: (to, dy) => first.backward(to, to.graph.op("ReluGrad", [result.backward(to, dy), to.held(active)])),
    };
  }
  const gated = gatedGelu(graph, first.value, second.value);
  const result = project(graph, gated.value, out);
  return {
    value: result.value,
    backward(to, dy) {
      const [da, db] = gated.backward(to, result.backward(to, dy));
      return sum(to.graph, first.backward(to, da), second.backward(to, db));
    },
  };
}

/** Layout of tokens [N, H*K] as heads [B, H, T, K]: the index tensors of packed-rows.ts. */
export interface HeadLayout {
  toHeads: Value;
  fromHeads: Value;
  real: Value;
}

function gather(graph: Graph, x: Value, index: Value, width: number): Value {
  return graph.node("GatherV2", [reshape(graph, x, -1, width), index, graph.integer(0)], {
    Tparams: { type: "float32" },
    Tindices: { type: "int32" },
    Taxis: { type: "int32" },
  });
}

/** Projections of an attention, its layouts, the bias of its scores and the widths of heads. */
export interface Attention {
  q: Projection;
  k: Projection;
  v: Projection;
  o: Projection;
  /** Added to the scores; `[B, H, T, S]` where its gradient is wanted. */
  bias: Value;
  queries: HeadLayout;
  memory: HeadLayout;
  /** Width of a head, and of all heads. */
  dKv: number;
  inner: number;
}

/** softmax(q k^T + bias) v through o; gradients to the tokens that ask and to those that are read. */
export function attention(
  graph: Graph,
  x: Value,
  read: Value,
  { q, k, v, o, bias, queries, memory, dKv, inner }: Attention,
): { value: Value; backward: PairBackward } {
  const [ofQ, ofK, ofV] = [project(graph, x, q), project(graph, read, k), project(graph, read, v)];
  const heads = (g: Graph, tokens: Value, index: Value): Value => gather(g, tokens, index, dKv);
  const tokens = (g: Graph, heads: Value, index: Value): Value => reshape(g, gather(g, heads, index, dKv), -1, inner);
  const qh = heads(graph, ofQ.value, queries.toHeads);
  const kh = heads(graph, ofK.value, memory.toHeads);
  const vh = heads(graph, ofV.value, memory.toHeads);
  const probs = graph.op("Softmax", [sum(graph, products(graph, qh, kh, { transposeB: true }), bias)]);
  const answer = project(graph, tokens(graph, products(graph, probs, vh), queries.fromHeads), o);
  return {
    value: answer.value,
    backward(to, dy) {
      const g = to.graph;
      const [p, fromQueries, fromMemory] = [to.held(probs), to.held(queries.fromHeads), to.held(memory.fromHeads)];
      const dAnswer = mul(g, heads(g, answer.backward(to, dy), to.held(queries.toHeads)), to.held(queries.real));
      // softmax: dScores = probs (dProbs - sum(dProbs probs))
      const weighted = mul(g, products(g, dAnswer, to.held(vh), { transposeB: true }), p);
      const dScores = g.op("Sub", [weighted, mul(g, p, reduce(g, "Sum", weighted, { axis: -1, keep: true }))]);
      if (to.wants(bias)) to.gradient(bias, dScores);
      const dq = tokens(g, products(g, dScores, to.held(kh)), fromQueries);
      const dk = tokens(g, products(g, dScores, to.held(qh), { transposeA: true }), fromMemory);
      const dv = tokens(g, products(g, p, dAnswer, { transposeA: true }), fromMemory);
      return [ofQ.backward(to, dq), sum(g, ofK.backward(to, dk), ofV.backward(to, dv))];
    },
  };
}

/** x + change: the gradient to x as the sum of what arrives on both ways. */
export function residual(graph: Graph, x: Value, change: Value): Value {
  return sum(graph, x, change);
}
