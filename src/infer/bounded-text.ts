// What a server sends, bounded before it is held.

import { RequestFailure } from "./request-failure.ts";

/** An answer of one record has kilobytes. */
const MAX_ANSWER_BYTES = 8 * 2 ** 20;

/** The text of an answer. Throws RequestFailure when it has more than 8 MiB, or the connection's error when it breaks off. */
export async function readAnswer(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  let [text, bytes] = ["", 0];
  for (let next = await reader?.read(); next !== undefined && !next.done; next = await reader?.read()) {
    bytes += next.value.length;
    if (bytes > MAX_ANSWER_BYTES) {
      await reader?.cancel();
      const what = `the answer has more than ${MAX_ANSWER_BYTES / 2 ** 20} MiB`;
      throw new RequestFailure(what, { status: response.status, retryable: false });
    }
    text += decoder.decode(next.value, { stream: true });
  }
  return text + decoder.decode();
}
