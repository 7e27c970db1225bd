import { installEmulators } from "../test/support/aws/install-emulators.ts";

// What `npm run test:aws` does by itself when it has to; CI does it before, and again when a mirror drops the
// connection.
const { jars, python } = await installEmulators();
process.stdout.write(`emulators of AWS: ${jars}, ${python}\n`);
