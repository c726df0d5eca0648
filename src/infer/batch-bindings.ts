// What batches need of Cloudflare: a bucket for their files, a Durable Object for their state, two workflows. One list for the local worker
// and for the deployed one. https://developers.cloudflare.com/workers/wrangler/configuration/

export const BATCH_BUCKET = "stepwise-batches";
export const BATCH_LEDGER = "BatchLedger";
/** The workflows: binding, name at Cloudflare, class. */
export const BATCH_WORKFLOWS = [
  { binding: "BATCH_JOBS", name: "stepwise-batch-jobs", className: "BatchJob" },
  { binding: "BATCH_SHARDS", name: "stepwise-batch-shards", className: "BatchShard" },
] as const;

/** As wrangler's JavaScript API names them. */
export const BATCH_BINDINGS = {
  BATCH_FILES: { type: "r2_bucket", bucket_name: BATCH_BUCKET },
  BATCH_LEDGER: { type: "durable_object_namespace", class_name: BATCH_LEDGER },
  ...Object.fromEntries(
    BATCH_WORKFLOWS.map(({ binding, name, className }) => [
      binding,
      { type: "workflow" as const, name, class_name: className },
    ]),
  ),
} as const;

/** The ledger's storage, made at the first deployment. */
export const BATCH_MIGRATIONS = [{ tag: "batches-1", new_sqlite_classes: [BATCH_LEDGER] }];
