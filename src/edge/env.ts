// The worker's bindings and variables, parsed once into settings. Names are those of wrangler.toml.

import { z } from "zod";
import { AGGREGATIONS } from "../shared/aggregate.ts";
import { InputError } from "../shared/errors.ts";
import { DTYPES } from "../shared/onnx-names.ts";
import { JUDGE_CONTEXTS } from "../shared/prompts.ts";
import type { BatchBindings } from "./batch/platform.ts";
import { type ApiKey, namedKeysSchema, singleKeySchema } from "./http/api-keys.ts";
import type { AssetsBinding, BucketBinding, FileStreams, ModelStore } from "./model-store.ts";

/** The part of a rate-limit binding that is used. */
export interface RateLimitBinding {
  limit(options: { key: string }): Promise<{ success: boolean }>;
}

/** What workerd passes to fetch(); every variable is a string. */
export interface Env extends Partial<BatchBindings> {
  ASSETS?: AssetsBinding;
  MODELS?: BucketBinding;
  /** A service that answers GET with model files, as ASSETS does; the local worker binds one for files too large for assets. */
  MODEL_FILES?: AssetsBinding;
  RATE_LIMITER?: RateLimitBinding;
  POLICY_MODEL?: string;
  REWARD_MODEL?: string;
  DTYPE?: string;
  JUDGE_CONTEXT?: string;
  AGGREGATION?: string;
  CORS_ORIGIN?: string;
  ALLOWED_HOSTS?: string;
  MAX_BODY_BYTES?: string;
  MAX_WAITING?: string;
  MODEL_CHECK_SECONDS?: string;
  REQUESTS_PER_MINUTE?: string;
  TOKENS_PER_MINUTE?: string;
  LIMIT_ADDRESSES?: string;
  BATCH_STEP_MS?: string;
  BATCH_BESIDE?: string;
  BATCH_RETRIES?: string;
  MODEL_DOWNLOADS?: string;
  STEPWISE_API_KEY?: string;
  STEPWISE_API_KEYS?: string;
}

/** Files that a browser loads: `docs/index.html` and what it names. */
export type PageFiles = ModelStore & FileStreams;

const folder = z.string().regex(/^(?!\.\.?$)[\w.-]+$/, "must be the name of a model folder");
const flag = z.enum(["true", "false"]).transform((value) => value === "true");
const settingsSchema = z.object({
  POLICY_MODEL: folder.default("policy"),
  REWARD_MODEL: folder.default("reward"),
  DTYPE: z.enum(DTYPES).default("int8"),
  JUDGE_CONTEXT: z.enum(JUDGE_CONTEXTS).default("prefix"),
  AGGREGATION: z.enum(AGGREGATIONS).default("mean"),
  /** Empty: no CORS headers. `*`, or origins separated by commas. */
  CORS_ORIGIN: z.string().default(""),
  /** `*`, or the names, separated by commas, by which a server without keys may be called beside those of its own machine. */
  ALLOWED_HOSTS: z.string().default("*"),
  MAX_BODY_BYTES: z.coerce.number().int().positive().default(1_048_576),
  MAX_WAITING: z.coerce.number().int().nonnegative().default(16),
  /** How often requests look for a new version of the models, at most; 0: never. */
  MODEL_CHECK_SECONDS: z.coerce.number().int().nonnegative().default(60),
  /** Of each caller, unless its key says otherwise; 0 is no limit. */
  REQUESTS_PER_MINUTE: z.coerce.number().int().nonnegative().default(0),
  TOKENS_PER_MINUTE: z.coerce.number().int().nonnegative().default(0),
  /** Whether RATE_LIMITER, where it is bound, counts requests without a key. */
  LIMIT_ADDRESSES: flag.default(true),
  /** How long a step of a batch begins further records. */
  BATCH_STEP_MS: z.coerce.number().int().positive().max(20_000).default(10_000),
  /** Requests that batches have in the engine beside interactive ones; without those, 16. docs/batch.md has what 4 cost the others. */
  BATCH_BESIDE: z.coerce.number().int().positive().max(16).default(4),
  /** How often a step of a batch that fails is tried again, after 2 s, 4 s, 6 s, ...: by default for almost three hours in all. */
  BATCH_RETRIES: z.coerce.number().int().nonnegative().max(1_000).default(100),
  /** Whether whoever may use the API may also load the models' files. */
  MODEL_DOWNLOADS: flag.default(false),
  STEPWISE_API_KEY: singleKeySchema.optional(),
  STEPWISE_API_KEYS: namedKeysSchema.optional(),
});

/** The variables, and the keys of both secrets in one list. */
export type Settings = Omit<z.infer<typeof settingsSchema>, "STEPWISE_API_KEY" | "STEPWISE_API_KEYS"> & {
  keys: readonly ApiKey[];
};

/** Parses the variables. Throws InputError naming the first wrong one. */
export function parseSettings(env: Env): Settings {
  const parsed = settingsSchema.safeParse(env);
  if (parsed.success) {
    const { STEPWISE_API_KEY: single, STEPWISE_API_KEYS: named = [], ...rest } = parsed.data;
    const keys = single === undefined ? named : [{ name: "default", key: single }, ...named];
    if (
      new Set(keys.map(({ key }) => key)).size < keys.length ||
      new Set(keys.map(({ name }) => name)).size < keys.length
    )
      throw badVariable("STEPWISE_API_KEYS: the same key or name stands there twice");
    return { ...rest, keys };
  }
  const issue = parsed.error.issues[0];
  throw badVariable(`${issue?.path.join(".") ?? "a variable"}: ${issue?.message ?? "invalid"}`);
}

function badVariable(what: string): InputError {
  return new InputError({
    code: "bad_variable",
    what,
    where: "worker variables",
    fix: "Mend it in wrangler.toml, or with wrangler secret put.",
  });
}
