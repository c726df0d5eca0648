// The `model` of a request: clients send the policy's name, the reward model's, nothing, the server's own URL, or what Hugging Face's
// clients put there for a server that they know by its URL alone: "tgi", Python's "dummy".

import type { ModelInfo } from "../../engine/engine.ts";
import type { Call } from "../../http/call.ts";
import { HttpError } from "../../http/errors.ts";

/** Throws HttpError 404 for a name that means another model. */
export function checkModelName(
  asked: string | null | undefined,
  { policy, reward }: { policy: ModelInfo; reward: ModelInfo },
  call: Pick<Call, "origin">,
): void {
  const known = ["", "tgi", "dummy", policy.manifest.model, reward.manifest.model];
  if (asked === undefined || asked === null || known.includes(asked)) return;
  if (URL.canParse(asked) && new URL(asked).origin === call.origin) return;
  throw new HttpError(404, "model_not_found", `this worker's model is "${policy.manifest.model}" (field "model").`);
}
