// A T5's tokenizer.json for tests: Unigram pieces with Metaspace, `</s>` at the end.

const METASPACE = { type: "Metaspace", replacement: "▁", add_prefix_space: true, prepend_scheme: "always" };

export interface AddedToken {
  id: number;
  content: string;
  /** Default true. */
  special?: boolean;
}

/** An entry of `added_tokens`. */
function added({ id, content, special = true }: AddedToken): object {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special };
}

/**
 * tokenizer.json with the given pieces and their scores; `</s>` has id 1. Without a newline token, like a stock T5's.
 * `changes` replace whole fields.
 */
export function t5TokenizerJson(
  pieces: readonly (readonly [piece: string, score: number])[],
  addedTokens: readonly AddedToken[],
  changes: { unkId?: number; normalizer?: object; decoder?: (metaspace: object) => object } = {},
): Record<string, unknown> {
  const template = [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: "</s>", type_id: 0 } }];
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens.map(added),
    normalizer: changes.normalizer ?? null,
    pre_tokenizer: METASPACE,
    post_processor: {
      type: "TemplateProcessing",
      single: template,
      pair: template,
      special_tokens: { "</s>": { id: "</s>", ids: [1], tokens: ["</s>"] } },
    },
    decoder: changes.decoder?.(METASPACE) ?? METASPACE,
    model: { type: "Unigram", unk_id: changes.unkId ?? 2, vocab: pieces },
  };
}

/** Special tokens with the first ids. */
export function specials(...contents: string[]): AddedToken[] {
  return contents.map((content, id) => ({ id, content }));
}
