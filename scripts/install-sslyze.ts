import { installSslyze } from "../test/support/peers/sslyze.ts";

// The one peer of test/peers that comes from PyPI and not from Debian.
process.stdout.write(`sslyze: ${await installSslyze()}\n`);
