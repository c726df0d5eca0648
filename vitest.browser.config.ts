// npm run test:browser: what a person sees and does in a real Chromium, of the report and against a real worker. One browser at a time.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/browser/**/*.browser.ts"],
    testTimeout: 60_000,
    // real processes on a machine that may be busy: what fails is tried once more, and the report says so
    retry: 1,
    hookTimeout: 180_000,
    pool: "forks",
    maxWorkers: 1,
    fileParallelism: false,
  },
});
