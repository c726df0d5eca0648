// The platform's rate limiter, where one is bound: it counts the requests of each address that carry no valid key, across isolates. What
// a key may ask for is counted by accounts.ts.

import type { AppDeps } from "./app-env.ts";
import { HttpError } from "./errors.ts";

/** Counts a request of an address. Throws HttpError 429 when its minute is used up. */
export async function limitAddress(
  { rateLimiter, settings }: Pick<AppDeps, "rateLimiter" | "settings">,
  address: string,
): Promise<void> {
  if (rateLimiter === undefined || !settings.LIMIT_ADDRESSES) return;
  const { success } = await rateLimiter.limit({ key: address });
  if (success) return;
  throw new HttpError(429, "rate_limited", "too many requests. Try again in a minute.", { "retry-after": "60" });
}
