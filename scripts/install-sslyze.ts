import { installSslyze } from "../test/support/peers/sslyze.ts";

// The only peer of test/peers from PyPI.
process.stdout.write(`sslyze: ${await installSslyze()}\n`);
