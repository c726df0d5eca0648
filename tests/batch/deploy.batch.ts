// What a deployment with batches makes, and takes down, told to a server that stands in for Cloudflare's API; nothing is uploaded anywhere.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { deployWorker, destroyWorker } from "../../src/infer/deploy-worker.ts";
import { exportedModels } from "../../src/train/onnx/export/exported-models.ts";

const MODEL = "data/models/stepwise-t5-nano";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepwise-deploy-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a dry run bundles the worker with its workflows and names every resource with its price", async () => {
  const lines: string[] = [];
  const models = await exportedModels({ policy: MODEL, reward: MODEL }, () => undefined);
  const say = (line: string) => lines.push(line);
  const options = { ...models, dtype: "int8" as const, dryRun: true, assetsDir: join(folder, "assets"), say };
  await deployWorker({ ...options, batch: true });
  const said = lines.join("\n");
  for (const name of [
    /^bucket +stepwise-batches: \$/m,
    /^durable object +BatchLedger: \$/m,
    /^workflow +stepwise-batch-jobs: \$/m,
    /^workflow +stepwise-batch-shards: \$/m,
    /^secret +STEPWISE_API_KEY: nothing/m,
  ]) {
    expect(said).toMatch(name);
  }
  const config = JSON.parse(await readFile("outputs/edge_build/wrangler.json", "utf8"));
  expect(config).toMatchObject({
    name: "stepwise-dpo",
    workflows: [{ binding: "BATCH_JOBS" }, { binding: "BATCH_SHARDS" }],
    migrations: [{ new_sqlite_classes: ["BatchLedger"] }],
  });
});

test("a dry run of taking down tells what would go", async () => {
  const lines: string[] = [];
  await destroyWorker({ dryRun: true, say: (line) => lines.push(line) });
  expect(lines).toEqual([
    "would delete  worker stepwise-dpo with its Durable Objects and secrets",
    "would delete  bucket stepwise-batches",
    "would delete  workflow stepwise-batch-jobs",
    "would delete  workflow stepwise-batch-shards",
  ]);
});

/** Cloudflare's API as far as a deployment asks it; what it was asked, with the bodies. */
async function standIn(secrets: readonly string[]) {
  const asked: { call: string; body: string }[] = [];
  const failure = (code: number, message: string) => ({ success: false, errors: [{ code, message }], messages: [] });
  let hasBucket = false;
  const answer = (call: string) => {
    if (call.endsWith("/secrets") && secrets.length === 0) return failure(10007, "This Worker does not exist");
    if (call.endsWith("/services/stepwise-dpo")) {
      if (secrets.length === 0) return failure(10090, "This service does not exist");
      return {
        default_environment: { environment: "production", script: { last_deployed_from: "wrangler", tag: "t" } },
      };
    }
    if (call.endsWith("/secrets")) return secrets.map((name) => ({ name, type: "secret_text" }));
    if (call.endsWith("POST /client/v4/accounts/an-account/r2/buckets")) hasBucket = true;
    if (call.endsWith("GET /client/v4/accounts/an-account/r2/buckets")) return { buckets: [] };
    if (/GET .*buckets\/stepwise-batches$/.test(call) && !hasBucket) {
      return failure(10006, "The specified bucket does not exist.");
    }
    if (call.includes("assets-upload-session")) return { jwt: "a-token", buckets: [] };
    if (call.endsWith("/workers/scripts")) return [];
    if (call.endsWith("/settings")) return { bindings: [] };
    if (call.endsWith("/subdomain")) return { enabled: true, previews_enabled: false, subdomain: "somebody" };
    return {
      id: "stepwise-dpo",
      startup_time_ms: 1,
      deployment_id: "1",
      available_on_subdomain: true,
      versions: [],
      deployments: [],
    };
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const call = `${request.method} ${request.url?.replace(/\?.*/, "")}`;
      asked.push({ call, body: Buffer.concat(chunks).toString("latin1") });
      const result = answer(call);
      const isFailure = "success" in result;
      response.statusCode = isFailure ? 404 : 200;
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(isFailure ? result : { success: true, errors: [], messages: [], result }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's address is always one
  vi.stubEnv("CLOUDFLARE_API_BASE_URL", `http://127.0.0.1:${port}/client/v4`);
  vi.stubEnv("CLOUDFLARE_API_TOKEN", "a-token");
  vi.stubEnv("CLOUDFLARE_ACCOUNT_ID", "an-account");
  return {
    asked,
    close() {
      vi.unstubAllEnvs();
      server.close();
    },
  };
}

/** Deploys with batches; what was said, and the bodies that hold the script. */
async function deployTo(secrets: readonly string[]) {
  const api = await standIn(secrets);
  const lines: string[] = [];
  try {
    const models = await exportedModels({ policy: MODEL, reward: MODEL }, () => undefined);
    const options = { ...models, dtype: "int8" as const, dryRun: false, assetsDir: join(folder, "assets") };
    await deployWorker({ ...options, batch: true, say: (line) => lines.push(line) });
  } finally {
    api.close();
  }
  const calls = api.asked.map(({ call }) => call.replace("/client/v4/accounts/an-account", ""));
  const scripts = api.asked.filter(({ call }) => /^PUT .*\/scripts\/stepwise-dpo$/.test(call)).map(({ body }) => body);
  return { said: lines.join("\n"), calls, scripts };
}

const KEY = /^key +(\S{32}) /m;

test("a new deployment makes its bucket, and its key goes up with the script", async () => {
  const { said, calls, scripts } = await deployTo([]);
  const key = KEY.exec(said)?.[1] ?? "none";
  expect(scripts).toHaveLength(1);
  expect(scripts[0]).toContain(`{"name":"STEPWISE_API_KEY","type":"secret_text","text":"${key}"}`);
  expect(calls).toContain("POST /r2/buckets");
  // no moment without it, and no second place where it is told
  expect(calls.filter((call) => call.startsWith("PUT") && call.includes("secrets"))).toEqual([]);
});

test("a deployment that has a key keeps it", async () => {
  const { said, scripts } = await deployTo(["STEPWISE_API_KEYS"]);
  expect(said).not.toMatch(KEY);
  expect(scripts).toHaveLength(1);
  expect(scripts[0]).not.toContain("secret_text");
});

test("taking down fails where something is left, after all was tried", async () => {
  const api = await standIn([]);
  const lines: string[] = [];
  try {
    // nobody answers there any more
    vi.stubEnv("CLOUDFLARE_API_BASE_URL", "http://127.0.0.1:9/client/v4");
    const gone = destroyWorker({ dryRun: false, say: (line) => lines.push(line) });
    await expect(gone).rejects.toThrow("not deleted: worker stepwise-dpo");
  } finally {
    api.close();
  }
  expect(lines.filter((line) => line.startsWith("delete"))).toHaveLength(4);
});
