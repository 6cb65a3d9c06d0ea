import { defineConfig } from "vitest/config";

const common = {
  pool: "forks" as const,
  execArgv: ["--experimental-ffi", "--disable-warning=ExperimentalWarning"],
  testTimeout: 30_000,
  hookTimeout: 60_000,
};

/** A VM keeps every core busy: those tests come last, one file at a time. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: "machine",
          include: ["test/**/*.test.ts"],
          exclude: ["test/vm/**"],
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...common,
          name: "vm",
          include: ["test/vm/**/*.test.ts"],
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
