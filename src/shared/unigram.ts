// SentencePiece's unigram model (Kudo 2018, arXiv:1804.10959) in a tenth of the memory: the library keeps a tree with a Map at every
// character of every piece, some 20 MB for T5's 32,000 pieces, which an isolate of 128 MB has better use for. Here prefixes are looked up in
// the Map from pieces to ids. Same ids: ties are broken as the library breaks them.

import { Model } from "@huggingface/tokenizers";

/** The model part of a tokenizer.json. */
export interface UnigramConfig {
  type: "Unigram";
  unk_id: number;
  /** Pieces and their log-probabilities. */
  vocab: readonly (readonly [piece: string, score: number])[];
}

/** Below the least likely piece by this much: the score of a character that no piece has. */
const UNKNOWN_PENALTY = 10;

/** Whether the model part of a tokenizer.json is one that UnigramModel takes. */
export function isUnigramConfig(model: unknown): model is UnigramConfig {
  if (typeof model !== "object" || model === null || !("type" in model) || !("vocab" in model) || !("unk_id" in model))
    return false;
  const { type, vocab, unk_id: unknown } = model;
  const isPiece = (entry: unknown): boolean =>
    Array.isArray(entry) && typeof entry[0] === "string" && typeof entry[1] === "number";
  return (
    type === "Unigram" &&
    Number.isInteger(unknown) &&
    Array.isArray(vocab) &&
    Number(unknown) < vocab.length &&
    vocab.every(isPiece)
  );
}

/** Takes the place of the library's Unigram in its Tokenizer. */
export class UnigramModel extends Model {
  readonly #scores: Float64Array;
  readonly #unknownId: number;
  /** Code units of the longest piece. */
  readonly #longest: number;

  constructor({ vocab, unk_id: unknownId }: UnigramConfig) {
    super({ type: "Unigram", unk_id: unknownId, vocab: [] });
    this.vocab = vocab.map(([piece]) => piece);
    this.tokens_to_ids = new Map(this.vocab.map((piece, id) => [piece, id]));
    this.unk_token_id = unknownId;
    this.unk_token = this.vocab[unknownId] ?? "<unk>";
    // done here, in time linear in the text: the library looks each growing run of unknown characters up again
    this.fuse_unk = false;
    this.#scores = Float64Array.from(vocab, ([, score]) => score);
    this.#scores[unknownId] = this.#scores.reduce((least, score) => Math.min(least, score), Infinity) - UNKNOWN_PENALTY;
    this.#unknownId = unknownId;
    this.#longest = this.vocab.reduce((longest, piece) => Math.max(longest, piece.length), 0);
  }

  /** The most likely pieces of each text; a run of unknown ones is one piece. */
  encode(texts: string[]): string[] {
    return this.#fuseUnknown(texts.flatMap((text) => this.#segment(text)));
  }

  #fuseUnknown(pieces: readonly string[]): string[] {
    const isUnknown = (piece: string) => (this.tokens_to_ids.get(piece) ?? this.#unknownId) === this.#unknownId;
    const fused: string[] = [];
    for (let start = 0, end = 0; start < pieces.length; start = end) {
      end = start + 1;
      if (isUnknown(pieces[start] ?? "")) while (end < pieces.length && isUnknown(pieces[end] ?? "")) end++;
      fused.push(end - start === 1 ? (pieces[start] ?? "") : pieces.slice(start, end).join(""));
    }
    return fused;
  }

  /** Viterbi over the pieces that start at each character; a character that is no piece counts as unknown. */
  #segment(text: string): string[] {
    // one entry a node of the lattice; node 0 is the start
    const starts = [0];
    const totals = [0];
    const previous = [0];
    /** Nodes that end at each code unit. */
    const ending: number[][] = Array.from({ length: text.length + 1 }, () => []);
    ending[0]?.push(0);
    const bestBefore = (position: number, score: number): number => {
      let best = -1;
      for (const node of ending[position] ?? []) {
        if (best < 0 || (totals[node] ?? 0) + score > (totals[best] ?? 0) + score) best = node;
      }
      return best;
    };
    const insert = (start: number, end: number, score: number): void => {
      const before = bestBefore(start, score);
      const node = starts.push(start) - 1;
      totals.push((totals[before] ?? 0) + score);
      previous.push(before);
      ending[end]?.push(node);
    };
    for (let start = 0, width = 1; start < text.length; start += width) {
      width = (text.codePointAt(start) ?? 0) > 0xffff ? 2 : 1;
      const last = Math.min(text.length, start + this.#longest);
      let alone = false;
      for (let end = start + width; end <= last; end++) {
        const id = this.tokens_to_ids.get(text.slice(start, end));
        // added tokens have ids above those of the pieces
        if (id === undefined || id >= this.#scores.length) continue;
        insert(start, end, this.#scores[id] ?? 0);
        alone ||= end === start + width;
      }
      if (!alone) insert(start, start + width, this.#scores[this.#unknownId] ?? 0);
    }
    const pieces: string[] = [];
    for (let end = text.length, node = bestBefore(end, 0); node > 0; node = previous[node] ?? 0) {
      const start = starts[node] ?? 0;
      pieces.push(text.slice(start, end));
      end = start;
    }
    return pieces.reverse();
  }
}
