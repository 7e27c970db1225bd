import { defineConfig } from "vitest/config";
import type { InlineConfig } from "vitest/node";

const SECOND_MS = 1_000;

/**
 * After this a test is taken for hung. No claim about speed: a busy machine takes ten times as long as a
 * quiet one.
 */
const HUNG_MS = 300 * SECOND_MS;

/**
 * First of every project's: gives a run its own temporary directory, and fails a run that leaves anything
 * there.
 */
const RUN_DIRECTORY = "test/support/run-directory.ts";

/**
 * Of every project. Processes rather than threads, since signals, umask and the working directory belong to a
 * process.
 */
const shared = {
  environment: "node",
  globals: false,
  pool: "forks",
  restoreMocks: true,
  globalSetup: [RUN_DIRECTORY],
  testTimeout: HUNG_MS,
  hookTimeout: HUNG_MS,
  expect: {
    // A test without an assertion proves nothing, however it returns.
    requireAssertions: true,
    // How long a condition is waited for: no claim about speed, so that a busy machine changes nothing.
    poll: { interval: 10, timeout: 60 * SECOND_MS },
  },
} satisfies InlineConfig;

export default defineConfig({
  test: {
    // Two cores in CI; more processes only make deadlines of the tests fire late.
    maxWorkers: 2,
    // By `npm run coverage`, of what runs in the tests' own processes: start and composition are run by e2e,
    // apart from them.
    coverage: {
      provider: "v8",
      include: ["{core,adapters,functions,worker,local}/**/*.ts", "{sdk,cli}/src/**/*.ts"],
      exclude: ["**/*.test.ts"],
      reporter: ["text-summary", "html"],
      reportsDirectory: "coverage",
    },
    projects: [
      {
        test: {
          ...shared,
          name: "core",
          include: ["core/**/*.test.ts"],
          // Without processes, sockets and files, so that threads, and modules loaded once for all, do for
          // them.
          pool: "threads",
          isolate: false,
        },
      },
      {
        test: {
          ...shared,
          name: "unit",
          include: [
            "{adapters,functions,worker,local,scripts,infra,iac/sst}/**/*.test.ts",
            "test/{contract,support,fuzz}/**/*.test.ts",
          ],
        },
      },
      {
        test: {
          ...shared,
          name: "sdk",
          include: ["{sdk,iac/pulumi}/src/**/*.test.ts", "test/{sdk,pulumi}/**/*.test.ts"],
        },
      },
      {
        test: {
          ...shared,
          name: "cli",
          include: ["cli/src/**/*.test.ts", "test/cli/**/*.test.ts"],
        },
      },
      {
        test: {
          ...shared,
          name: "structure",
          include: ["test/structure/**/*.test.ts"],
        },
      },
      {
        test: {
          ...shared,
          name: "dialog",
          include: ["test/{dialog,matrix}/**/*.test.ts"],
        },
      },
      {
        test: {
          ...shared,
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
        },
      },
      {
        test: {
          ...shared,
          name: "aws",
          include: ["test/aws/**/*.test.ts"],
          globalSetup: [RUN_DIRECTORY, "test/support/aws/aws-setup.ts", "test/infra/harness/unpacked-sst.ts"],
        },
      },
      {
        test: {
          ...shared,
          name: "infra",
          include: ["test/infra/**/*.test.ts"],
          globalSetup: [
            RUN_DIRECTORY,
            "test/infra/harness/unpacked-sst.ts",
            "test/infra/linters/installed-linters.ts",
          ],
        },
      },
      {
        test: {
          ...shared,
          name: "document",
          include: ["test/document/**/*.test.ts"],
          globalSetup: [RUN_DIRECTORY, "test/document/installed-document-tools.ts"],
        },
      },
      {
        test: {
          ...shared,
          name: "peers",
          include: ["test/peers/**/*.test.ts"],
          globalSetup: [RUN_DIRECTORY, "test/support/peers/installed-peers.ts"],
        },
      },
    ],
  },
});
