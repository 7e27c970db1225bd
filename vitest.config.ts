import { defineConfig } from "vitest/config";

const SECOND_MS = 1_000;

/** What every project shares: no globals, and processes rather than threads, since signals and umask belong to a process. */
const shared = {
  environment: "node",
  globals: false,
  pool: "forks",
  restoreMocks: true,
  // How long a condition is waited for: no claim about speed, so that a busy machine changes nothing.
  expect: { poll: { interval: 10, timeout: 15 * SECOND_MS } },
} as const;

export default defineConfig({
  test: {
    // Two cores in CI; more processes only make deadlines of the tests fire late.
    maxWorkers: 2,
    // By `npm run coverage`, of what runs in the tests' own processes: start and composition are run by e2e, apart from them.
    coverage: {
      provider: "v8",
      include: ["{core,adapters,functions,worker,local}/**/*.ts"],
      exclude: ["**/*.test.ts"],
      reporter: ["text-summary", "html"],
      reportsDirectory: "coverage",
    },
    projects: [
      {
        test: {
          ...shared,
          name: "unit",
          include: [
            "{core,adapters,functions,worker,local,scripts,infra}/**/*.test.ts",
            "test/{contract,support,fuzz}/**/*.test.ts",
          ],
          testTimeout: 20 * SECOND_MS,
        },
      },
      {
        test: {
          ...shared,
          name: "structure",
          include: ["test/structure/**/*.test.ts"],
          testTimeout: 60 * SECOND_MS,
        },
      },
      {
        test: {
          ...shared,
          name: "dialog",
          include: ["test/{dialog,matrix}/**/*.test.ts"],
          testTimeout: 30 * SECOND_MS,
        },
      },
      {
        test: {
          ...shared,
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 60 * SECOND_MS,
          hookTimeout: 60 * SECOND_MS,
        },
      },
      {
        test: {
          ...shared,
          name: "aws",
          include: ["test/aws/**/*.test.ts"],
          globalSetup: ["test/support/aws/aws-setup.ts", "test/infra/harness/unpacked-sst.ts"],
          testTimeout: 120 * SECOND_MS,
          hookTimeout: 120 * SECOND_MS,
        },
      },
      {
        test: {
          ...shared,
          name: "infra",
          include: ["test/infra/**/*.test.ts"],
          globalSetup: ["test/infra/harness/unpacked-sst.ts", "test/infra/linters/installed-linters.ts"],
          testTimeout: 120 * SECOND_MS,
          hookTimeout: 120 * SECOND_MS,
        },
      },
      {
        test: {
          ...shared,
          name: "document",
          include: ["test/document/**/*.test.ts"],
          globalSetup: ["test/document/installed-document-tools.ts"],
          testTimeout: 120 * SECOND_MS,
          hookTimeout: 120 * SECOND_MS,
        },
      },
      {
        test: {
          ...shared,
          name: "peers",
          include: ["test/peers/**/*.test.ts"],
          globalSetup: ["test/support/peers/installed-peers.ts"],
          testTimeout: 120 * SECOND_MS,
          hookTimeout: 120 * SECOND_MS,
        },
      },
    ],
  },
});
