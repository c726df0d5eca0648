// Long work lets other requests in now and then, and stops when its caller has gone.

/** Yields to the event loop; throws the signal's reason once it is aborted. */
export async function pause(signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await new Promise((resolve) => setTimeout(resolve, 0));
  signal?.throwIfAborted();
}
