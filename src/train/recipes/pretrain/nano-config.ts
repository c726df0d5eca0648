// The shape of stepwise-t5-nano: T5 v1.1, small enough to train in an hour or two on two cores and to ship in 7 MB.

/** config.json of the small base model for a tokenizer of `tokens` ids; the vocabulary is rounded up to a multiple of 32. */
export function nanoConfig(tokens: number): Record<string, unknown> {
  return {
    architectures: ["T5ForConditionalGeneration"],
    model_type: "t5",
    is_encoder_decoder: true,
    vocab_size: Math.ceil(tokens / 32) * 32,
    d_model: 128,
    d_kv: 32,
    d_ff: 256,
    num_layers: 4,
    num_decoder_layers: 4,
    num_heads: 4,
    relative_attention_num_buckets: 32,
    relative_attention_max_distance: 128,
    dropout_rate: 0,
    layer_norm_epsilon: 1e-6,
    feed_forward_proj: "gated-gelu",
    dense_act_fn: "gelu_new",
    is_gated_act: true,
    tie_word_embeddings: false,
    decoder_start_token_id: 0,
    pad_token_id: 0,
    eos_token_id: 1,
    use_cache: true,
  };
}
