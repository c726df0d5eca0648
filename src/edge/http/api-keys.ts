// The keys that callers may send, each with a name for the metrics and limits of its own: STEPWISE_API_KEY is the key of "default",
// STEPWISE_API_KEYS a JSON object from names to keys, or to `{key, requests_per_minute, tokens_per_minute}`.

import { z } from "zod";

/** No space and nothing beyond ASCII: a header could not carry it. */
const key = z
  .string()
  .min(8, "needs at least 8 characters")
  .max(256, "has more than 256 characters")
  .regex(/^[\x21-\x7e]*$/, "holds a space or a character beyond ASCII, which no header can carry");
const perMinute = z.number().int().positive().optional();
const entry = z.union([key, z.strictObject({ key, requests_per_minute: perMinute, tokens_per_minute: perMinute })]);

export interface ApiKey {
  name: string;
  key: string;
  requestsPerMinute?: number | undefined;
  tokensPerMinute?: number | undefined;
}

export const singleKeySchema = key;

/** The JSON text of STEPWISE_API_KEYS. */
export const namedKeysSchema = z
  .string()
  .transform((text, ctx): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      ctx.addIssue({ code: "custom", message: 'is not JSON, as in {"team-a": "KEY"}' });
      return z.NEVER;
    }
  })
  .pipe(z.record(z.string().regex(/^[\w.-]{1,64}$/, "is not a name of letters, digits, _, . and -"), entry))
  .transform((entries) =>
    Object.entries(entries).map(([name, given]): ApiKey => {
      if (typeof given === "string") return { name, key: given };
      const { key: text, requests_per_minute: requestsPerMinute, tokens_per_minute: tokensPerMinute } = given;
      return { name, key: text, requestsPerMinute, tokensPerMinute };
    }),
  );
