import { defineConfig } from "vitest/config";

// npm run test:kills: runs that are killed again and again, minutes long, so not among the tests of `npm test`.
export default defineConfig({
  test: {
    include: ["tests/kills/**/*.kills.ts"],
    testTimeout: 900_000,
    // real processes on a machine that may be busy: what fails is tried once more, and the report says so
    retry: 1,
    hookTimeout: 300_000,
    pool: "forks",
    maxWorkers: 1,
  },
});
