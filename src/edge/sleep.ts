/** Lets so many milliseconds pass; 0: whatever else is due. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
