// Whether a workflow still lives, asked of the platform.
// https://developers.cloudflare.com/workflows/build/workers-api/#instancestatus

import { reasonOf } from "./fault.ts";
import { TICK, type WorkflowBinding } from "./platform.ts";

export interface LifeNow {
  /** "unknown": the platform did not answer. */
  state: "alive" | "dead" | "absent" | "unknown";
  reason: string;
}

/** A workflow that should be at work; one that has ended, however, is dead. */
export async function lifeOf<P>(workflows: WorkflowBinding<P>, id: string): Promise<LifeNow> {
  try {
    const { status, error } = await (await workflows.get(id)).status();
    const isDead = ["errored", "terminated", "complete"].includes(status);
    const why = error === undefined || error === null ? "" : `: ${error.message}`;
    return { state: isDead ? "dead" : "alive", reason: `the workflow is ${status}${reasonOf(why)}` };
  } catch (error) {
    const reason = reasonOf(error);
    return { state: reason.includes("not_found") ? "absent" : "unknown", reason };
  }
}

/** Wakes a workflow; one that has ended, or was never made, stays so. */
export async function tick<P>(workflows: WorkflowBinding<P>, id: string): Promise<void> {
  try {
    await (await workflows.get(id)).sendEvent({ type: TICK, payload: {} });
  } catch {
    // the next look comes
  }
}
