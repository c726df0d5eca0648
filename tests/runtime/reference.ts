// What the worker's answers are held to: the same ONNX files in onnxruntime-node, decoded the slow way, the whole prefix at
// every step with an empty cache, so that nothing of the worker's decoding is shared.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { parseManifest } from "../../src/shared/manifest.ts";
import { judgePrompt } from "../../src/shared/prompts.ts";
import { splitSteps } from "../../src/shared/steps.ts";
import { parseT5Config } from "../../src/shared/t5-config.ts";
import { createTokenizer } from "../../src/shared/tokenizer.ts";

export interface Reference {
  encode(text: string): number[];
  decode(ids: readonly number[]): string;
  /** Greedy ids, EOS included; the whole prefix is decoded at every step. */
  greedy(prompt: string, maxNewTokens: number): Promise<number[]>;
  /**
   * Greedy ids decoded with the cache: in int8 a position's values depend on what is quantized with it, so that only the same
   * cutting gives the same numbers. Ends before the first step whose two best logits are closer than `minGap`.
   */
  greedyCached(prompt: string, maxNewTokens: number, minGap: number): Promise<number[]>;
  /** P(yes) / (P(yes) + P(no)) of each step, one at a time. */
  stepScores(prompt: string, completion: string): Promise<number[]>;
  /** The same of a process reward model: a step is judged at the end of the solution up to it, decoded anew for each step. */
  processScores(prompt: string, completion: string): Promise<number[]>;
}

function int64(values: readonly number[]): Tensor {
  return new Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
}

function tensor(value: Tensor | undefined): Tensor {
  if (value === undefined) throw new Error("an output is missing");
  return value;
}

function floats(value: Tensor | undefined): Float32Array {
  const { data } = tensor(value);
  if (data instanceof Float32Array) return data;
  throw new Error("not float32");
}

/** Opens an exported folder. */
export async function openReference(dir: string, suffix: "" | "_quantized"): Promise<Reference> {
  const json = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(dir, name), "utf8"));
  const manifest = parseManifest(await json("stepwise_manifest.json"));
  const config = parseT5Config(await json("config.json"));
  const tokenizer = createTokenizer(await json("tokenizer.json"), await json("tokenizer_config.json"));
  const open = (graph: string) =>
    InferenceSession.create(join(dir, `onnx/${graph}${suffix}.onnx`), { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const encoder = await open("encoder_model");
  const decoder = await open("decoder_model_merged");

  const past: Record<string, Tensor> = {};
  for (const name of decoder.inputNames.filter((input) => input.startsWith("past_key_values"))) {
    past[name] = new Tensor("float32", new Float32Array(0), [1, config.numHeads, 0, config.dKv]);
  }

  /** Logits at the last position of a prefix. */
  async function logitsAfter(source: readonly number[], prefix: readonly number[]): Promise<Float32Array> {
    const mask = int64(source.map(() => 1));
    const encoded = await encoder.run({ input_ids: int64(source), attention_mask: mask });
    const hidden = tensor(encoded.last_hidden_state);
    const feeds = { input_ids: int64(prefix), encoder_attention_mask: mask, encoder_hidden_states: hidden, ...past };
    const { logits } = await decoder.run(feeds, ["logits"]);
    return floats(logits).slice(-config.vocabSize);
  }

  /** P(yes) / (P(yes) + P(no)) of what follows a prefix. */
  async function yesAfter(source: readonly number[], prefix: readonly number[]): Promise<number> {
    const logits = await logitsAfter(source, prefix);
    const yes = Math.exp(logits[manifest.judge.yes_token_id] ?? Number.NaN);
    return yes / (yes + Math.exp(logits[manifest.judge.no_token_id] ?? Number.NaN));
  }

  return {
    encode: tokenizer.encode,
    decode: tokenizer.decode,
    async greedy(prompt, maxNewTokens) {
      const source = tokenizer.encode(prompt);
      const ids: number[] = [];
      while (ids.length < maxNewTokens && ids.at(-1) !== config.eosTokenId) {
        const logits = await logitsAfter(source, [config.decoderStartTokenId, ...ids]);
        ids.push(logits.indexOf(Math.max(...logits)));
      }
      return ids;
    },
    async greedyCached(prompt, maxNewTokens, minGap) {
      const source = tokenizer.encode(prompt);
      const mask = int64(source.map(() => 1));
      const encoded = await encoder.run({ input_ids: int64(source), attention_mask: mask });
      const ids: number[] = [];
      let cache = past;
      while (ids.length < maxNewTokens && ids.at(-1) !== config.eosTokenId) {
        const { logits, ...present } = await decoder.run({
          input_ids: int64([ids.at(-1) ?? config.decoderStartTokenId]),
          encoder_attention_mask: mask,
          encoder_hidden_states: tensor(encoded.last_hidden_state),
          ...cache,
        });
        const row = floats(logits);
        const [best = 0, second = 0] = [...row].sort((a, b) => b - a);
        if (best - second < minGap) break;
        ids.push(row.indexOf(best));
        cache = Object.fromEntries(
          Object.keys(past).map((name) => [name, tensor(present[name.replace("past_key_values", "present")])]),
        );
      }
      return ids;
    },
    async stepScores(prompt, completion) {
      const steps = splitSteps(completion);
      const scores: number[] = [];
      for (const index of steps.keys()) {
        const source = tokenizer.encode(judgePrompt(prompt, steps, index));
        scores.push(await yesAfter(source, [config.decoderStartTokenId]));
      }
      return scores;
    },
    async processScores(prompt, completion) {
      const source = tokenizer.encode(prompt);
      const text = completion.split("\n");
      const scores: number[] = [];
      for (const [index] of text.entries()) {
        const read = tokenizer.encode(text.slice(0, index + 1).join("\n")).slice(0, -1);
        const end = index === text.length - 1 ? config.eosTokenId : tokenizer.encode("\n")[0];
        scores.push(await yesAfter(source, [config.decoderStartTokenId, ...read, end ?? Number.NaN]));
      }
      return scores;
    },
  };
}
