// Several workers as one client: each request goes to the worker with the fewest, and one that is lost is not asked for a while.

import { InputError } from "../shared/errors.ts";
import { type ClientOptions, createClient, type WorkerClient } from "./client.ts";
import { RequestFailure } from "./request-failure.ts";

/** So long a worker that gave no answer is not asked. */
const LOST_MS = 30_000;

interface Member {
  client: WorkerClient;
  busy: number;
  lostUntil: number;
}

/** One client for all of them. Its `models` throws InputError when they do not serve the same. */
export function createFleet(clients: readonly WorkerClient[], now: () => number = Date.now): WorkerClient {
  const [only] = clients;
  if (only !== undefined && clients.length === 1) return only;
  const members = clients.map((client): Member => ({ client, busy: 0, lostUntil: 0 }));
  const there = (): Member[] => members.filter(({ lostUntil }) => lostUntil <= now());

  async function ask<T>(work: (client: WorkerClient) => Promise<T>): Promise<T> {
    for (const tried = new Set<Member>(); ; ) {
      const left = there().filter((member) => !tried.has(member));
      const member = left.sort((a, b) => a.busy - b.busy)[0];
      if (member === undefined) throw new RequestFailure("none of the endpoints answers", { retryable: true });
      tried.add(member);
      member.busy += 1;
      try {
        return await work(member.client);
      } catch (error) {
        if (!(error instanceof RequestFailure) || error.status !== undefined) throw error;
        member.lostUntil = now() + LOST_MS;
      } finally {
        member.busy -= 1;
      }
    }
  }

  return {
    url: clients.map(({ url }) => url).join(", "),
    generate: (prompt, maxNewTokens) => ask((client) => client.generate(prompt, maxNewTokens)),
    score: (pair, aggregation) => ask((client) => client.score(pair, aggregation)),
    sample: (asked) => ask((client) => client.sample(asked)),
    stepScores: (prompt, completions) => ask((client) => client.stepScores(prompt, completions)),
    health: async () => {
      // whoever was lost may be back
      for (const member of members) member.lostUntil = 0;
      await ask((client) => client.health());
    },
    async models() {
      const served = await Promise.all(members.map(({ client }) => client.models()));
      const [first, ...others] = served;
      if (first === undefined) throw new TypeError("a fleet has a worker");
      const other = others.findIndex(
        ({ model, rewardModel }) => model !== first.model || rewardModel !== first.rewardModel,
      );
      if (other < 0) return first;
      throw new InputError({
        code: "different_models",
        what: `${only?.url} serves "${first.model}", ${clients[other + 1]?.url} serves "${others[other]?.model}"`,
        where: "--endpoint",
        fix: "Give workers that serve the same models.",
      });
    },
    async concurrencyLimit() {
      const limits = await Promise.all(members.map(({ client }) => client.concurrencyLimit()));
      return limits.reduce<number | undefined>(
        (sum, limit) => (sum === undefined || limit === undefined ? undefined : sum + limit),
        0,
      );
    },
  };
}

/**
 * The workers at these addresses, that are there and serve the same: what they serve, and how many requests they take at a
 * time. Throws InputError where none answers.
 */
export async function openFleet(
  urls: readonly string[],
  options: Pick<ClientOptions, "apiKey" | "signal" | "retries" | "minPauseMs">,
) {
  const client = createFleet(urls.map((url) => createClient({ url, ...options })));
  await client.health().catch((cause: unknown) => {
    if (!(cause instanceof RequestFailure)) throw cause;
    throw new InputError({
      code: "no_worker",
      what: `the worker does not answer: ${cause.message}`,
      where: `--endpoint ${urls.join(" ")}`,
      fix: "Start it (npm run dev, npm run serve), or correct the address.",
      cause,
    });
  });
  const { model: policy, rewardModel, isProcess } = await client.models();
  const places = (await client.concurrencyLimit()) ?? urls.length;
  return { policy, rewardModel, isProcess, places, sample: client.sample, stepScores: client.stepScores };
}
