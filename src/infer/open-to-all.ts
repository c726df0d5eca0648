// Whether anyone may use a deployed worker, and what to say about it.

import { z } from "zod";
import { CapacityError } from "../shared/errors.ts";
import type { PlatformConfig } from "./platform-config.ts";
import { runWrangler } from "./run-wrangler.ts";

const KEYS = ["STEPWISE_API_KEY", "STEPWISE_API_KEYS"];
/** What wrangler says of a worker that is not there. */
const NO_SUCH_WORKER = /Worker "[^"]*" not found/;
const secretsSchema = z.array(z.object({ name: z.string() }));

/** Whether the worker of these settings has a key among its secrets, asked of Cloudflare; false where it was never deployed. */
export async function hasKey(configPath: string): Promise<boolean> {
  // no such worker yet, or no login: the deployment itself says the latter
  return listsKey(configPath).catch(() => false);
}

/** Whether a key is to be made. Throws what Cloudflare answers otherwise: a key that is there may not be replaced by mistake. */
export async function lacksKey(configPath: string, fix: string): Promise<boolean> {
  try {
    return !(await listsKey(configPath));
  } catch (error) {
    if (error instanceof Error && NO_SUCH_WORKER.test(error.message)) return true;
    if (error instanceof CapacityError) throw new CapacityError({ code: error.code, what: error.what, fix });
    throw error;
  }
}

async function listsKey(configPath: string): Promise<boolean> {
  const listed = await runWrangler(["secret", "list", "--format", "json", "--config", configPath]);
  return secretsSchema.parse(JSON.parse(listed)).some(({ name }) => KEYS.includes(name));
}

/** The warning for a public address without a key. */
export function openToAll({ addressLimit }: Pick<PlatformConfig, "addressLimit">): string {
  const rate =
    addressLimit === undefined
      ? "at any rate ([[ratelimits]] in wrangler.toml would limit it)"
      : `${addressLimit.limit} requests in ${addressLimit.period} s from each address`;
  return `warning       the address is public: without a key anyone may use it, ${rate}. Set a key: npx wrangler secret put STEPWISE_API_KEY`;
}
