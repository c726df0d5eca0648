import { defineConfig } from "vitest/config";

// npm run test:workerd: real client packages, deployments and many requests at once against real workerd. `npm test` has the worker's core.
export default defineConfig({
  test: {
    include: ["tests/runtime/**/*.workerd.ts"],
    testTimeout: 120_000,
    // real processes on a machine that may be busy: what fails is tried once more, and the report says so
    retry: 1,
    hookTimeout: 180_000,
    pool: "forks",
    maxWorkers: 1,
  },
});
