import { installLinters } from "../test/infra/linters/run-linters.ts";

// What `npm run test:infra` does by itself when it has to; CI does it before, and again when a mirror drops
// the connection.
process.stdout.write(`linters of infra/: ${await installLinters()}\n`);
