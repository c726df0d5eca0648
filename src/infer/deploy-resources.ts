// What a deployment needs at Cloudflare beside the worker itself: made where it is missing, named with its price, and taken down again.
// Prices of the Workers Paid plan, beyond what it includes: https://developers.cloudflare.com/workers/platform/pricing/

import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CapacityError } from "../shared/errors.ts";
import { BATCH_BUCKET, BATCH_LEDGER, BATCH_MIGRATIONS, BATCH_WORKFLOWS } from "./batch-bindings.ts";
import { PROJECT_ROOT } from "./local-worker.ts";
import { lacksKey } from "./open-to-all.ts";
import { runWrangler } from "./run-wrangler.ts";

/** A thing at Cloudflare, and what it costs. */
export interface Resource {
  kind: "bucket" | "durable object" | "workflow" | "secret";
  name: string;
  cost: string;
}

const BUCKET_COST = "$0.015 a GB and month; $4.50 a million writes, $0.36 a million reads";

/** What is to be there, the worker aside. */
export function neededResources({ models, batch }: { models: string | undefined; batch: boolean }): Resource[] {
  const buckets = [models, batch ? BATCH_BUCKET : undefined].filter((name) => name !== undefined);
  const rest: Resource[] = [
    {
      kind: "durable object",
      name: BATCH_LEDGER,
      cost: "$0.15 a million requests, $12.50 a million GB-s while it is awake; $1 a million rows written",
    },
    ...BATCH_WORKFLOWS.map(({ name }) => ({
      kind: "workflow" as const,
      name,
      cost: "$0.30 a million instances, $0.02 a million ms of CPU time, $0.20 a GB and month of state",
    })),
    { kind: "secret", name: "STEPWISE_API_KEY", cost: "nothing" },
  ];
  return [...buckets.map((name): Resource => ({ kind: "bucket", name, cost: BUCKET_COST })), ...(batch ? rest : [])];
}

/** One line a resource. */
export function describeResource({ kind, name, cost }: Resource): string {
  return `${kind.padEnd(15)}${name}: ${cost}`;
}

/** The settings of a worker with batches, from those of one without, in a file of their own. */
export async function writeBatchConfig(configPath: string, file: string): Promise<string> {
  const { experimental_readRawConfig: readRawConfig } = await import("wrangler");
  const { rawConfig } = readRawConfig({ config: configPath });
  const { r2_buckets: buckets = [], durable_objects: objects, workflows = [], migrations = [], ...rest } = rawConfig;
  const config = {
    ...rest,
    main: join(PROJECT_ROOT, rest.main ?? "src/edge/worker.ts"),
    r2_buckets: [...buckets, { binding: "BATCH_FILES", bucket_name: BATCH_BUCKET }],
    durable_objects: {
      bindings: [...(objects?.bindings ?? []), { name: "BATCH_LEDGER", class_name: BATCH_LEDGER }],
    },
    workflows: [
      ...workflows,
      ...BATCH_WORKFLOWS.map(({ binding, name, className }) => ({ binding, name, class_name: className })),
    ],
    migrations: [...migrations, ...BATCH_MIGRATIONS],
  };
  await mkdir(join(file, ".."), { recursive: true });
  await writeFile(file, `${JSON.stringify(config, undefined, 2)}\n`);
  return file;
}

/** Makes the buckets that are not there. Workflows and Durable Objects come with the worker. */
export async function makeBuckets(resources: readonly Resource[], options: Say): Promise<void> {
  for (const { name } of resources.filter(({ kind }) => kind === "bucket")) {
    const isThere = await runWrangler(["r2", "bucket", "info", name]).then(
      () => true,
      () => false,
    );
    if (isThere) continue;
    options.say(`make          bucket ${name}`);
    await runWrangler(["r2", "bucket", "create", name], options);
  }
}

/**
 * Deploys with a key where the worker has none: an open worker would store files for anyone. The key goes up with the script, so that the
 * address is never there without it. Told once.
 */
export async function deployWithKey(
  config: string,
  deploy: (flags: readonly string[]) => Promise<unknown>,
  { say, fix }: Say,
): Promise<void> {
  if (!(await lacksKey(config, fix))) {
    await deploy([]);
    return;
  }
  const key = randomBytes(24).toString("base64url");
  const folder = await mkdtemp(join(tmpdir(), "stepwise-secret-"));
  // Ctrl-C must not leave the key there
  const atExit = (): void => rmSync(folder, { recursive: true, force: true });
  process.once("exit", atExit);
  try {
    const file = join(folder, "secrets.json");
    await writeFile(file, JSON.stringify({ STEPWISE_API_KEY: key }), { mode: 0o600 });
    await deploy(["--secrets-file", file]);
  } finally {
    atExit();
    process.off("exit", atExit);
  }
  say(`key           ${key} (STEPWISE_API_KEY: shown once, keep it)`);
}

interface Say {
  say: (line: string) => void;
  fix: string;
}

/**
 * Takes everything down that a deployment has made. A bucket that holds files stays, and is named. Throws CapacityError, after all was
 * tried, with what is left.
 */
export async function takeDown(
  {
    config,
    worker,
    resources,
    dryRun,
  }: { config: string; worker: string; resources: readonly Resource[]; dryRun: boolean },
  options: Say,
): Promise<void> {
  const { say } = options;
  const commands = [
    { what: `worker ${worker} with its Durable Objects and secrets`, args: ["delete", "--config", config, "--force"] },
    ...resources
      .filter(({ kind }) => kind === "workflow" || kind === "bucket")
      .map(({ kind, name }) => ({
        what: `${kind} ${name}`,
        args: kind === "bucket" ? ["r2", "bucket", "delete", name] : ["workflows", "delete", name],
      })),
  ];
  const left: string[] = [];
  for (const { what, args } of commands) {
    say(`${dryRun ? "would delete " : "delete       "} ${what}`);
    if (dryRun) continue;
    await runWrangler(args, { ...options, input: "y\n" }).catch((error: unknown) => {
      left.push(what);
      say(`  not deleted: ${error instanceof Error ? error.message : String(error)}`);
    });
  }
  if (left.length === 0) return;
  throw new CapacityError({ code: "not_taken_down", what: `not deleted: ${left.join("; ")}`, fix: options.fix });
}
