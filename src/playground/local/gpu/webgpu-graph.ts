// The worker's own graphs as WebGPU can run them. Of the operators that they use, onnxruntime-web 1.30 has all there, but its fused
// attention does not take a mask of the source, and where 32 positions or more are read at once gives other numbers than the processor
// (seen with SwiftShader, without any error). So attention is written out in plain operators: products, sums, a softmax.
// Shape letters: B batch, S source or past length, T positions of this run, H heads, K width of a head.

import type { NodeProto } from "onnx-buf";
import { ArtifactError } from "../../../shared/errors.ts";
import { LEAN } from "../../../shared/onnx-names.ts";
import { editGraph, FLOAT, type GraphEditor } from "./graph-editor.ts";

/** What the graphs consist of, as far as WebGPU has it (docs/webgpu-operators.md of onnxruntime-web). */
const ON_WEBGPU = new Set(
  (
    "Abs Add Cast Clip Concat Div Equal Expand FastGelu Gather Less LessOrEqual MatMul Mul Pow Range ReduceMax ReduceMean Relu " +
    "Reshape Shape SimplifiedLayerNormalization SkipSimplifiedLayerNormalization Slice Softmax Split Sqrt Squeeze Sub Tanh " +
    "Transpose Unsqueeze Where"
  ).split(" "),
);
/** What stands for minus infinity: a softmax gives it nothing. */
const MASKED = -1e30;

/** Throws ArtifactError where the graph has operators that are not on WebGPU: a model with int8 or 4-bit weights. */
export function forWebGpu(bytes: Uint8Array, where: string): Uint8Array {
  let causal: Causal | undefined;
  const biases = new Map<string, string>();
  /** Made once for all layers that share it. */
  const biasOnce = (of: string, make: (of: string) => string): string => {
    const known = biases.get(of) ?? make(of);
    biases.set(of, known);
    return known;
  };
  return editGraph(bytes, (node, editor) => {
    if (node.opType === "MultiHeadAttention") {
      const mask = biasOnce(node.input[4] ?? "", (name) => maskBias(editor, name));
      sourceAttention(node, editor, mask);
      return true;
    }
    if (node.opType === "GroupQueryAttention") {
      const shared = causal ?? causalParts(node, editor);
      causal = shared;
      const bias = biasOnce(node.input[10] ?? "", (name) => editor.node("Add", [name, shared.unseen]));
      selfAttention(node, editor, { ...shared, bias });
      return true;
    }
    if (ON_WEBGPU.has(node.opType)) return false;
    throw new ArtifactError({
      code: "not_on_webgpu",
      what: `WebGPU has no ${node.opType}, which this model's graph is made of`,
      where,
      fix: "It runs on the processor.",
    });
  });
}

/** [B, S], 1 for real positions -> [B, 1, 1, S]: 0 for them, else as good as minus infinity. */
function maskBias({ node, float, ints }: GraphEditor, mask: string): string {
  const absent = node("Sub", [float(1), node("Cast", [mask], { to: FLOAT })]);
  return node("Unsqueeze", [node("Mul", [absent, float(MASKED)]), ints(1, 2)]);
}

/** Queries and keys [B, *, H * K] -> [B, H, *, K]; what has four dimensions already stays. */
function headsOf(editor: GraphEditor, value: string, heads: number): string {
  const { graph, node, ints } = editor;
  const given = graph.input.find(({ name }) => name === value)?.type?.value;
  if (given?.case === "tensorType" && given.value.shape?.dim.length === 4) return value;
  return node("Transpose", [node("Reshape", [value, ints(0, 0, heads, -1)])], { perm: [0, 2, 1, 3] });
}

/** softmax(Q K^T + biases) V, [B, H, T, K], as [B, T, H * K] under the name of the node that it replaces. */
function attend(
  { node, ints }: GraphEditor,
  [queries, keys, values]: readonly [string, string, string],
  biases: readonly string[],
  output: string,
): void {
  const products = node("MatMul", [queries, node("Transpose", [keys], { perm: [0, 1, 3, 2] })]);
  const scores = biases.reduce((sum, bias) => node("Add", [sum, bias]), products);
  const read = node("MatMul", [node("Softmax", [scores], { axis: -1 }), values]);
  node("Reshape", [node("Transpose", [read], { perm: [0, 2, 1, 3] }), ints(0, 0, -1)], {}, output);
}

/** Of source positions: the encoder's over itself, the decoder's over the source. */
function sourceAttention(attention: NodeProto, editor: GraphEditor, mask: string): void {
  const [queries = "", keys = "", values = "", , , bias = ""] = attention.input;
  const heads = headCount(attention);
  const all = [queries, keys, values].map((each) => headsOf(editor, each, heads));
  const [output = ""] = attention.output;
  attend(editor, [all[0] ?? "", all[1] ?? "", all[2] ?? ""], bias === "" ? [mask] : [bias, mask], output);
}

/** What the self-attention of all layers shares. */
interface Causal {
  /** [1]: positions of the past and of this run, as long as the longest row. */
  total: string;
  /** [1]: positions that the cache has room for afterwards. */
  room: string;
  /** [B, 1, room, T]: 1 where a position of the cache is one of this run's. */
  places: string;
  /** [B, 1, room, 1]: 1 where it is none of them. */
  older: string;
  /** [B, 1, T, total]: as good as minus infinity for what lies behind a position, else 0. */
  unseen: string;
}

/** Rows have pasts of their own lengths: position t of this run is position `past_lengths + t` of its row. */
function causalParts(attention: NodeProto, { node, float, int, ints }: GraphEditor): Causal {
  const [, , , past = ""] = attention.input;
  const size = (value: string, axis: number): string => node("Shape", [value], { start: axis, end: axis + 1 });
  const upTo = (length: string): string =>
    node("Cast", [node("Range", [int(0), node("Squeeze", [length]), int(1)])], { to: FLOAT });
  const total = node("Reshape", [LEAN.totalLength, ints(1)]);
  const held = size(past, 2);
  const room = node("Where", [node("Less", [held, total]), total, held]);
  const begin = node("Unsqueeze", [node("Cast", [LEAN.pastLengths], { to: FLOAT }), ints(1, 2, 3)]); // [B, 1, 1, 1]
  const own = upTo(size(LEAN.inputEmbeddings, 1)); // [T]
  const offset = node("Sub", [node("Unsqueeze", [upTo(room), ints(1)]), begin]); // [B, 1, room, 1]
  const places = node("Cast", [node("Equal", [offset, own])], { to: FLOAT });
  const older = node("Sub", [float(1), node("ReduceMax", [places], { axes: [-1], keepdims: 1 })]);
  const end = node("Add", [begin, node("Unsqueeze", [own, ints(1)])]); // [B, 1, T, 1]
  const seen = node("LessOrEqual", [upTo(total), end]); // [B, 1, T, total]
  return { total, room, places, older, unseen: node("Where", [seen, float(0), float(MASKED)]) };
}

/** `bias` [B, H, T, total]: of positions, and of what is unseen. */
function selfAttention(attention: NodeProto, editor: GraphEditor, causal: Causal & { bias: string }): void {
  const { node, ints } = editor;
  const [queries = "", keys = "", values = "", pastKeys = "", pastValues = ""] = attention.input;
  const [output = "", presentKeys = "", presentValues = ""] = attention.output;
  const heads = headCount(attention);
  const cut = (value: string, length: string): string => node("Slice", [value, ints(0), length, ints(2)]);
  /** The cache with this run's positions in their places; what is behind a row's end is never read. */
  const grown = (past: string, given: string, present: string): string => {
    const own = headsOf(editor, given, heads);
    const before = node("Mul", [cut(node("Concat", [past, own], { axis: 2 }), causal.room), causal.older]);
    return cut(node("Add", [before, node("MatMul", [causal.places, own])], {}, present), causal.total);
  };
  const all: [string, string, string] = [
    headsOf(editor, queries, heads),
    grown(pastKeys, keys, presentKeys),
    grown(pastValues, values, presentValues),
  ];
  attend(editor, all, [causal.bias], output);
}

/** Throws ArtifactError for attention that is scaled: a T5's is not. */
function headCount({ attribute, name }: NodeProto): number {
  const scale = attribute.find((each) => each.name === "scale")?.f;
  if (scale !== 1) throw new ArtifactError({ code: "not_on_webgpu", what: "attention that is scaled", where: name });
  return Number(attribute.find((each) => each.name === "num_heads")?.i ?? 0n);
}
