import { defineConfig } from "vitest/config";

// Unit tests run on source. What starts a worker or a process runs on dist/, which `npm test` builds
// first: Node 20 cannot start a TypeScript file as a worker.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // For what hangs. How fast things are is measured by `npm run bench`, on a machine that does nothing else.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores on a small gateway or a build machine: more files at once only make timings worse.
    maxWorkers: 2,
  },
});
