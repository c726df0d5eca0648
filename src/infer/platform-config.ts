// What of wrangler.toml decides how the worker is laid out and how open it is.

import { z } from "zod";

const platformConfigSchema = z.object({
  name: z.string().default("stepwise-dpo"),
  r2_buckets: z.array(z.object({ binding: z.string(), bucket_name: z.string().optional() })).default([]),
  ratelimits: z
    .array(z.object({ name: z.string(), simple: z.object({ limit: z.number(), period: z.number() }) }))
    .default([]),
});

export interface PlatformConfig {
  /** Its name at Cloudflare. */
  worker: string;
  /** Name of the bucket that holds the models, where one is bound. */
  bucket: string | undefined;
  /** Requests of an address in so many seconds, where that is limited. */
  addressLimit: { limit: number; period: number } | undefined;
}

/** Reads wrangler's settings. Throws what wrangler throws for a file that it cannot read. */
export async function readPlatformConfig(config: string): Promise<PlatformConfig> {
  const { unstable_readConfig: readConfig } = await import("wrangler");
  const { name: worker, r2_buckets: buckets, ratelimits } = platformConfigSchema.parse(readConfig({ config }));
  return {
    worker,
    bucket: buckets.find(({ binding }) => binding === "MODELS")?.bucket_name,
    addressLimit: ratelimits.find(({ name }) => name === "RATE_LIMITER")?.simple,
  };
}
