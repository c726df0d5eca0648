// What each caller has used and holds: requests and tokens a minute, and a fair share of the line when it is nearly full. Counted in this
// isolate; the platform's own limiter (rate-limit.ts) counts across isolates.

import type { Settings } from "../env.ts";
import { HttpError } from "./errors.ts";
import { createPace } from "./pace.ts";

export interface Accounts {
  /**
   * Counts a request that wants a model; call the result once, when it is done. Throws HttpError 429 when the caller's minute is used up,
   * or when the line is nearly full and the caller holds more than its share.
   */
  enter(client: string, line: { waiting: number; maxWaiting: number }): () => void;
  /** Tokens read and written for the caller. */
  charge(client: string, tokens: number): void;
  /** Seconds after which half of the line has probably gone, from how fast requests were done lately; 1 to 60. */
  retryAfter(): number;
}

/** A caller that has not asked for so long no longer counts as one of those who share. */
const ACTIVE_MS = 60_000;
const MAX_CLIENTS = 10_000;
/** Of the line, from where on shares are fair ones. */
const CONTENDED = 0.75;

interface Account {
  seenAt: number;
  inFlight: number;
  requests: Bucket;
  tokens: Bucket;
}

/** Fresh accounts. `now` is in milliseconds. */
export function createAccounts(
  settings: Pick<Settings, "keys" | "REQUESTS_PER_MINUTE" | "TOKENS_PER_MINUTE">,
  now: () => number = Date.now,
): Accounts {
  const accounts = new Map<string, Account>();
  const pace = createPace(now);
  let inFlight = 0;
  const accountOf = (client: string): Account => {
    const key = settings.keys.find(({ name }) => name === client);
    const account = accounts.get(client) ?? {
      seenAt: now(),
      inFlight: 0,
      requests: createBucket(key?.requestsPerMinute ?? settings.REQUESTS_PER_MINUTE, now),
      tokens: createBucket(key?.tokensPerMinute ?? settings.TOKENS_PER_MINUTE, now),
    };
    // the last one to ask is the last one to be forgotten
    accounts.delete(client);
    accounts.set(client, account);
    for (const [name, { inFlight: held }] of accounts) {
      if (accounts.size <= MAX_CLIENTS) break;
      if (held === 0) accounts.delete(name);
    }
    return account;
  };
  const retryAfter = (): number => {
    const perMs = pace.perMs();
    if (perMs === undefined || inFlight === 0) return 1;
    return clampSeconds(inFlight / 2 / perMs / 1_000);
  };
  return {
    retryAfter,
    enter(client, { waiting, maxWaiting }) {
      const account = accountOf(client);
      account.seenAt = now();
      const used = account.requests.wait() ?? account.tokens.wait();
      if (used !== undefined) {
        const what = account.requests.wait() === undefined ? "tokens" : "requests";
        throw limited(`the ${what} of this minute are used up`, used);
      }
      const active = [...accounts.values()].filter((one) => one.inFlight > 0 || one.seenAt > now() - ACTIVE_MS).length;
      const share = (inFlight + 1) / active;
      if (waiting >= CONTENDED * maxWaiting && account.inFlight + 1 > share) {
        throw limited(
          `${account.inFlight} requests of yours are running or waiting, more than your share`,
          retryAfter(),
        );
      }
      account.requests.take(1);
      account.inFlight += 1;
      inFlight += 1;
      let left = false;
      return () => {
        if (left) return;
        left = true;
        account.inFlight -= 1;
        inFlight -= 1;
        pace.count();
      };
    },
    charge: (client, tokens) => accountOf(client).tokens.take(tokens),
  };
}

function limited(what: string, seconds: number): HttpError {
  return new HttpError(429, "rate_limited", `${what}. Try again in ${seconds} s.`, { "retry-after": String(seconds) });
}

function clampSeconds(seconds: number): number {
  return Math.min(60, Math.max(1, Math.ceil(seconds)));
}

interface Bucket {
  /** Seconds until something may be taken; undefined: now. */
  wait(): number | undefined;
  /** May take more than there is: what a request uses is known at its end. */
  take(amount: number): void;
}

/** Fills up by `perMinute` a minute, and holds no more than that; 0 is no limit. */
function createBucket(perMinute: number, now: () => number): Bucket {
  let level = perMinute;
  let at = now();
  const fill = () => {
    level = Math.min(perMinute, level + ((now() - at) / 60_000) * perMinute);
    at = now();
  };
  return {
    wait() {
      if (perMinute === 0) return undefined;
      fill();
      return level >= 1 ? undefined : clampSeconds(((1 - level) / perMinute) * 60);
    },
    take(amount) {
      if (perMinute === 0) return;
      fill();
      level -= amount;
    },
  };
}
