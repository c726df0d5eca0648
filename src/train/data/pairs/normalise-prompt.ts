// When two prompts count as the same: case and white space aside.

/** The form of a prompt by which it is put into a split. */
export function normalisePrompt(prompt: string): string {
  return prompt.toLowerCase().replace(/\s+/g, " ").trim();
}
