// One caller of the worker under load: a request, how it ended, and how long it took.

import { performance } from "node:perf_hooks";

/** What a caller asks for. */
export interface LoadRequest {
  path: "/generate" | "/score";
  body: unknown;
}

/** How a request ended: an HTTP status, or 0 where the connection did. */
export interface LoadAnswer {
  status: number;
  text: string;
  ms: number;
}

/** Sends a request. A status of 0 stands for a connection that failed or was given up. */
export async function ask(url: string, { path, body }: LoadRequest, signal?: AbortSignal): Promise<LoadAnswer> {
  const started = performance.now();
  try {
    // workerd closes idle connections, of which a busy client hears too late
    const headers = { connection: "close", "content-type": "application/json" };
    const init = { method: "POST", headers, body: JSON.stringify(body), ...(signal && { signal }) };
    const response = await fetch(`${url}${path}`, init);
    const text = await response.text();
    return { status: response.status, text, ms: performance.now() - started };
  } catch (error) {
    return { status: 0, text: error instanceof Error ? error.name : "failed", ms: performance.now() - started };
  }
}

/** The request of a number: word problems of different lengths and people, a score in every fifth where `mixed`. */
export function requestOf(
  index: number,
  options: { maxNewTokens: number; promptTokens?: number; mixed?: boolean },
): LoadRequest {
  const name = ["Mia", "Tom", "Anna", "Zoe", "Ben"][index % 5] ?? "Mia";
  const [first, more] = [3 + (index % 37), 2 + (index % 11)];
  const events = [` Then ${name} gets ${more} apples from Leo.`, ` Next ${name} loses ${index % 3} apples.`];
  const padding = " A shop sells pens and pencils, and a pen costs more.".repeat(
    Math.floor((options.promptTokens ?? 0) / 14),
  );
  const prompt = `${name} has ${first} apples.${events.slice(0, 1 + (index % 2)).join("")}${padding} How many apples does ${name} have now?`;
  if (options.mixed === true && index % 5 === 0) {
    const completion = `${name} has ${first} + ${more} = ${first + more} apples.\nA: ${first + more}`;
    return { path: "/score", body: { prompt, completion } };
  }
  return { path: "/generate", body: { inputs: prompt, parameters: { max_new_tokens: options.maxNewTokens } } };
}
