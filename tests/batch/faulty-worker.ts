// The worker as it is, on bindings that fail when a test says so, and with workflows that a test may end. Only tests start it.

import { BatchLedger as Ledger } from "../../src/edge/batch/ledger.ts";
import type { FileBucket, JobParams, ShardParams, WorkflowBinding } from "../../src/edge/batch/platform.ts";
import { BatchJob as Job, BatchShard as Shard } from "../../src/edge/batch/workflows.ts";
import type { Env } from "../../src/edge/env.ts";
import worker from "../../src/edge/worker.ts";

/** The ledger, whose files may be told to have expired, and whose batches that their time is long over. */
export class BatchLedger extends Ledger {
  async overdueNow(id: string): Promise<void> {
    this.ctx.storage.sql.exec("UPDATE batches SET doc = json_set(doc, '$.expiresAt', 1) WHERE id = ?", id);
    await this.ctx.storage.setAlarm(Date.now());
  }

  async expireNow(id: string): Promise<void> {
    this.ctx.storage.sql.exec("UPDATE files SET doc = json_set(doc, '$.expiresAt', 1) WHERE id = ?", id);
    await this.ctx.storage.setAlarm(Date.now());
  }
}

/** Calls whose name and key hold a text fail so often; `times` below 0: always. */
interface Fault {
  call: string;
  key: string;
  times: number;
}

let faults: Fault[] = [];
/** Calls that were made to fail. */
let failed = 0;

function mayFail(call: string, key: string): void {
  const fault = faults.find((one) => one.call === call && key.includes(one.key) && one.times !== 0);
  if (fault === undefined) return;
  fault.times -= 1;
  failed += 1;
  throw new Error(`a fault of ${call}, made by a test`);
}

function faultyBucket(bucket: FileBucket): FileBucket {
  return {
    head: (key) => bucket.head(key),
    get: async (key, options) => {
      mayFail("get", key);
      return bucket.get(key, options);
    },
    put: async (key, bytes, options) => {
      mayFail("put", key);
      return bucket.put(key, bytes, options);
    },
    delete: (keys) => bucket.delete(keys),
    createMultipartUpload: (key) => bucket.createMultipartUpload(key),
    resumeMultipartUpload: (key, uploadId) => bucket.resumeMultipartUpload(key, uploadId),
  };
}

function faultyWorkflows<P>(workflows: WorkflowBinding<P>): WorkflowBinding<P> {
  return {
    get: (id) => workflows.get(id),
    createBatch: async (instances) => {
      mayFail("createBatch", instances.map(({ id }) => id).join());
      return workflows.createBatch(instances);
    },
  };
}

function faulty(env: Env): Env {
  return {
    ...env,
    ...(env.BATCH_FILES !== undefined && { BATCH_FILES: faultyBucket(env.BATCH_FILES) }),
    ...(env.BATCH_JOBS !== undefined && { BATCH_JOBS: faultyWorkflows<JobParams>(env.BATCH_JOBS) }),
    ...(env.BATCH_SHARDS !== undefined && { BATCH_SHARDS: faultyWorkflows<ShardParams>(env.BATCH_SHARDS) }),
  };
}

export class BatchJob extends Job {
  constructor(...[ctx, env]: ConstructorParameters<typeof Job>) {
    super(ctx, faulty(env));
  }
}

export class BatchShard extends Shard {
  constructor(...[ctx, env]: ConstructorParameters<typeof Shard>) {
    super(ctx, faulty(env));
  }

  /** Dies of a fault of "shard", as no failure of a step lets it. */
  override async run(...[event, step]: Parameters<Shard["run"]>): Promise<void> {
    mayFail("shard", event.payload.batch);
    return super.run(event, step);
  }
}

export default {
  async fetch(request: Request, env: Env, context: Parameters<typeof worker.fetch>[2]): Promise<Response> {
    const { pathname, searchParams: query } = new URL(request.url);
    if (pathname === "/test/faults") {
      faults = JSON.parse(await request.text());
      failed = 0;
      return Response.json({});
    }
    if (pathname === "/test/failed") return Response.json(failed);
    if (pathname === "/test/expire" || pathname === "/test/overdue") {
      const stub = env.BATCH_LEDGER?.get(env.BATCH_LEDGER.idFromName("everyone"));
      // functions of the tests' own ledger
      const ledger = stub as unknown as BatchLedger;
      const id = query.get("id") ?? "";
      await (pathname === "/test/expire" ? ledger.expireNow(id) : ledger.overdueNow(id));
      return Response.json({});
    }
    if (pathname === "/test/terminate") {
      const workflows = query.get("kind") === "job" ? env.BATCH_JOBS : env.BATCH_SHARDS;
      const instance = await workflows?.get(query.get("id") ?? "");
      // what the tests need beyond what the worker uses
      if (instance === undefined || !("terminate" in instance)) return new Response(null, { status: 404 });
      await (instance.terminate as () => Promise<void>).call(instance);
      return Response.json({});
    }
    return worker.fetch(request, faulty(env), context);
  },
};
