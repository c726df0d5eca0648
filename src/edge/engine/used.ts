// What a request has used of the models: told when nothing more is done for it, whether it was answered, failed, or its caller left.

export interface Used {
  /** Tokens that the models read. */
  promptTokens: number;
  /** Tokens that were written. */
  completionTokens: number;
  /** Steps that were scored. */
  steps: number;
}

/** What a request to the engine may ask to be told. */
export interface UseListener {
  /** Called once, when nothing more is done for the request; not where the line was full. */
  onUsed?: ((used: Used) => void) | undefined;
}
