import type { KnipConfig } from "knip";

/**
 * Dead code, twice. `knip` starts from everything that is run, tests included, and wants each export to have
 * an importer. `knip --production` starts from what is shipped, deployed or builds what is (the patterns that
 * end in "!"), and finds what only tests use: an export that its own file uses may be exported for a test.
 */
const isProduction = process.argv.includes("--production");

const config: KnipConfig = {
  workspaces: {
    ".": {
      entry: [
        "local/{main,try}.ts!",
        "worker/main.ts!",
        "functions/*/lambda.ts!",
        "sst.config.ts!",
        "scripts/bundles.ts!",
        "scripts/!(bundles).ts",
        "bench/*.ts",
        "test/**/*.test.ts",
        // Started as processes.
        "test/infra/harness/synthesis-process.ts",
        "test/support/aws/function-program.ts",
        "test/support/edge-program.ts",
      ],
      project: [
        "{core,adapters,functions,worker,local,infra,iac/sst}/**/*.ts!",
        "scripts/bundles.ts!",
        "!**/*.test.ts!",
        "scripts/!(bundles).ts",
        "{bench,test}/**/*.ts",
      ],
    },
    "iac/pulumi": {
      entry: ["src/{index,provider}.ts!"],
      project: ["src/**/*.ts!"],
      // The compiler of its declarations, by scripts/build-sdk.ts.
      ignoreDependencies: ["typescript"],
    },
    sdk: {
      entry: ["src/{index,sigv4}.ts!"],
      project: ["src/**/*.ts!", "!src/generated/openapi.ts"],
      // Started by scripts/write-document.ts, with the compiler that it needs.
      ignoreDependencies: ["openapi-typescript", "typescript"],
    },
    cli: {
      entry: ["src/main.ts!"],
      project: ["src/**/*.ts!", "!src/**/*.test.ts!"],
    },
  },
  // A type that only its own file's exports mention is still part of what they say.
  ignoreExportsUsedInFile: isProduction || { interface: true, type: true },
  ignoreDependencies: [
    // The copy in SST's unpacked platform, which alone knows SST's resources.
    "@pulumi/pulumi",
    // Of @pulumi/pulumi, whose protocol test/pulumi speaks.
    "@grpc/grpc-js",
    "google-protobuf",
  ],
  // Programs of Debian's packages, which test/peers and test/cli talk to.
  ignoreBinaries: ["chrt", "openssl", "postfix", "script", "swaks"],
};

export default config;
