// Imports that wrangler's module rules turn into values.
declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}

// The classes that the platform calls. https://developers.cloudflare.com/workers/runtime-apis/rpc/
declare module "cloudflare:workers" {
  interface DurableObjectContext {
    storage: {
      sql: import("./batch/ledger-tables.ts").Sql;
      getAlarm(): Promise<number | null>;
      setAlarm(at: number): Promise<void>;
    };
    waitUntil(work: Promise<unknown>): void;
  }
  export abstract class DurableObject<E> {
    protected ctx: DurableObjectContext;
    protected env: E;
    constructor(ctx: DurableObjectContext, env: E);
    alarm?(): Promise<void>;
  }
  export abstract class WorkflowEntrypoint<E, P> {
    protected ctx: { waitUntil(work: Promise<unknown>): void };
    protected env: E;
    constructor(ctx: { waitUntil(work: Promise<unknown>): void }, env: E);
    abstract run(
      event: Readonly<{ payload: P; instanceId: string }>,
      step: import("./batch/platform.ts").WorkflowStep,
    ): Promise<unknown>;
  }
}

declare module "cloudflare:workflows" {
  /** Ends a step, and its workflow where nothing catches it, without further tries. */
  export class NonRetryableError extends Error {}
}
