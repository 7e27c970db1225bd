import { installSslyze } from "../test/support/peers/sslyze.ts";

// The only peer of test/peers from PyPI instead of Debian.
process.stdout.write(`sslyze: ${await installSslyze()}\n`);
