import { defineConfig } from "vitest/config";

/** Batches in real workerd with Workflows, R2 and Durable Objects: npm run test:batch. */
export default defineConfig({
  test: {
    include: ["tests/**/*.batch.ts"],
    testTimeout: 180_000,
    // real processes on a machine that may be busy: what fails is tried once more, and the report says so
    retry: 1,
    hookTimeout: 180_000,
    pool: "forks",
    maxWorkers: 1,
  },
});
